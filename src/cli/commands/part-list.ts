import { BLOCK_SIZE, BlockError, type PartitionTable, readTable } from "../../index.js";
import { formatSize } from "../../util/size.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatTable } from "../format/table.js";
import { withDevice } from "../session.js";

const HEADER = ["PART", "START", "BLOCKS", "SIZE", "TYPE", "LABEL", "PARTUUID"];

/** `part list` */
export const run: RunVerb = async (context) => {
  await withDevice(context, "read", async ({ block }) => {
    const table = await readTable(block);
    for (const { message } of table.findings) note(context, `warning: ${message}`);
    if (table.kind === "none") {
      throw new BlockError("TABLE_NONE", "there is no partition table", {
        hint: "mmcpstore part create --label pstore --size 1MiB --yes makes one",
      });
    }
    if (context.settings.json) await writeJson(context, "part-list", { ...table });
    else
      await context.io.writeOut(
        `${table.kind.toUpperCase()} ${table.diskId ?? ""}\n${tableText(table)}`,
      );
  });
  return EXIT.ok;
};

/** The partitions as a table for people. */
export function tableText(table: PartitionTable): string {
  const rows = table.entries.map((entry) => [
    `p${entry.number}`,
    String(entry.startLba),
    String(entry.blockCount),
    formatSize(entry.blockCount * BLOCK_SIZE),
    entry.typeName === "unknown" ? entry.type : entry.typeName,
    entry.label ?? "",
    entry.uuid,
  ]);
  return formatTable(rows, HEADER);
}
