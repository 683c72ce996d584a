import { type Disk, type GptOnDisk, isPurelyProtective } from "./disk.js";
import { GPT_ENTRY_BYTES, hasSaneRange } from "./gpt.js";
import { arrayBytes, entriesOf } from "./gpt-read.js";
import { MBR_GPT_PROTECTIVE } from "./partition-types.js";
import type { FindingCode, PartitionEntry, TableFinding } from "./table-types.js";

/** What is odd about a table. Pure. */
export function findingsOf(
  disk: Disk,
  entries: readonly PartitionEntry[],
  deviceBlocks: number,
): TableFinding[] {
  const ranges = [...overlaps(entries), ...behindEnd(entries, deviceBlocks)];
  switch (disk.kind) {
    case "gpt":
      return [
        ...copyFindings(disk, deviceBlocks),
        ...protectionFindings(disk),
        ...entryFindings(disk),
        ...outsideUsable(disk, entries),
        ...ranges,
      ];
    case "mbr":
      return [...disk.damage.map(chainDamaged), ...ranges];
    case "none":
      return [
        ...when(disk.fileSystem, "file-system", "a file system fills the device, without a table"),
        ...when(disk.strayGpt, "stray-gpt", "there is a GPT, but block 0 does not stand for it"),
      ];
  }
}

function when(condition: boolean, code: FindingCode, message: string): TableFinding[] {
  return condition ? [{ code, message }] : [];
}

function about(code: FindingCode, message: string, ...numbers: readonly number[]): TableFinding {
  return { code, message, numbers };
}

function chainDamaged(what: string): TableFinding {
  return {
    code: "chain-damaged",
    message: `the list of logical partitions is cut short: ${what}`,
  };
}

function copyFindings({ gpt }: GptOnDisk, deviceBlocks: number): TableFinding[] {
  const { inUse, primary, backup, fault = "" } = gpt;
  const end = deviceBlocks - 1;
  const needed = inUse.header.lastUsableLba + 1;
  const fits = needed <= deviceBlocks;
  const backupAt = backup?.header.myLba ?? end;
  const differ = primary !== undefined && backup !== undefined && !sameEntries(gpt);
  return [
    ...when(
      primary === undefined,
      "primary-damaged",
      `the primary GPT is damaged (${fault}), its backup is used`,
    ),
    ...when(
      !fits,
      "device-too-small",
      `the table was made for at least ${needed} blocks, the device has ${deviceBlocks}`,
    ),
    ...when(
      fits && backup === undefined,
      "backup-damaged",
      `the backup GPT is damaged (${fault}), the primary is used`,
    ),
    ...when(
      fits && backupAt !== end,
      "backup-not-at-end",
      `the backup GPT is at block ${backupAt}, not at the end of the device (${end})`,
    ),
    ...when(differ, "copies-differ", "the two copies of the GPT differ, the primary is used"),
  ];
}

function sameEntries({ primary, backup }: GptOnDisk["gpt"]): boolean {
  if (primary === undefined || backup === undefined) return false;
  return Buffer.compare(arrayBytes(primary), arrayBytes(backup)) === 0;
}

function protectionFindings({ record }: GptOnDisk): TableFinding[] {
  const stands = record?.slots.some(({ type }) => type === MBR_GPT_PROTECTIVE) ?? false;
  const hybrid = stands && record !== undefined && !isPurelyProtective(record);
  return [
    ...when(
      !stands,
      "no-protective-mbr",
      "the protective MBR is missing: a kernel does not see this table",
    ),
    ...when(hybrid, "hybrid-mbr", "the MBR lists partitions beside the GPT; the GPT is used"),
  ];
}

function entryFindings({ gpt }: GptOnDisk): TableFinding[] {
  const { entryBytes } = gpt.inUse.header;
  return [
    ...when(
      entryBytes !== GPT_ENTRY_BYTES,
      "entry-size",
      `its entries have ${entryBytes} bytes each; Linux reads only entries of ${GPT_ENTRY_BYTES}`,
    ),
    ...entriesOf(gpt.inUse)
      .filter((entry) => !hasSaneRange(entry))
      .map(({ number }) =>
        about("entry-nonsense", `partition ${number} ends before it begins`, number),
      ),
  ];
}

function outsideUsable(disk: GptOnDisk, entries: readonly PartitionEntry[]): TableFinding[] {
  const { firstUsableLba: first, lastUsableLba: last } = disk.gpt.inUse.header;
  return entries
    .filter((entry) => entry.startLba < first || lastOf(entry) > last)
    .map(({ number }) =>
      about(
        "outside-usable",
        `partition ${number} lies outside the blocks that the table allows (${first}..${last})`,
        number,
      ),
    );
}

function lastOf({ startLba, blockCount }: PartitionEntry): number {
  return startLba + blockCount - 1;
}

function behindEnd(entries: readonly PartitionEntry[], deviceBlocks: number): TableFinding[] {
  return entries
    .filter((entry) => lastOf(entry) >= deviceBlocks)
    .map((entry) =>
      about(
        "behind-end",
        `partition ${entry.number} ends at block ${lastOf(entry)}, behind the device's last (${deviceBlocks - 1})`,
        entry.number,
      ),
    );
}

/** A container and what is in it do not count as overlapping. */
function overlaps(entries: readonly PartitionEntry[]): TableFinding[] {
  return [false, true].flatMap((logical) =>
    overlapsOf(entries.filter((entry) => (entry.logical === true) === logical)),
  );
}

function overlapsOf(entries: readonly PartitionEntry[]): TableFinding[] {
  const found: TableFinding[] = [];
  let reach: PartitionEntry | undefined;
  for (const entry of entries.toSorted((a, b) => a.startLba - b.startLba)) {
    if (reach !== undefined && entry.startLba <= lastOf(reach)) {
      const pair = `partitions ${reach.number} and ${entry.number} overlap`;
      found.push(about("overlap", pair, reach.number, entry.number));
    }
    if (reach === undefined || lastOf(entry) > lastOf(reach)) reach = entry;
  }
  return found;
}
