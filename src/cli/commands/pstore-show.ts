import { note, type RunVerb, writeJson } from "../context.js";
import { recordName } from "../format/record-name.js";
import { exitOfScan, withStore } from "../pstore-session.js";
import { operand } from "../session.js";
import { symbolOptions } from "../symbols.js";
import { recordJson } from "./pstore-list.js";

/** `pstore show NAME|ZONE`: the bytes as a kernel shows them. Exit 7, after printing, if the record is torn. */
export const run: RunVerb = (context, operands, flags) => {
  const name = recordName(operand(operands, 0, "name"));
  return withStore(context, "read", flags, async ({ store, device: { clock } }) => {
    const options = await clock.outside(symbolOptions(flags));
    const { record, bytes } = await store.read(name, options);
    if (context.settings.json)
      await writeJson(context, "pstore-show", {
        record: recordJson(record),
        text: Buffer.from(bytes).toString("utf8"),
        base64: Buffer.from(bytes).toString("base64"),
      });
    else await context.io.writeOut(bytes);
    if (record.state === "torn")
      note(context, `warning: ${record.name} is torn: its checksum does not fit its text`);
    return exitOfScan([record]);
  });
};
