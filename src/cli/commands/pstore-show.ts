import { type RunVerb, writeJson } from "../context.js";
import type { ExitCode } from "../exit-codes.js";
import { recordName } from "../format/record-name.js";
import { exitOf, openStore, scanOptions } from "../pstore-part.js";
import { operand, withDevice } from "../session.js";
import { recordJson } from "./pstore-list.js";

/** `pstore show NAME|ZONE`: the bytes as a kernel shows them. Exit 7, after printing, if the record is torn. */
export const run: RunVerb = (context, operands, flags) =>
  withDevice(context, "read", async (device): Promise<ExitCode> => {
    const name = recordName(operand(operands, 0, "name"));
    const options = await device.clock.outside(scanOptions(flags));
    const { store } = await openStore(context, flags, device, "read");
    const { record, bytes } = await store.read(name, options);
    if (context.settings.json)
      await writeJson(context, "pstore-show", {
        record: recordJson(record),
        text: Buffer.from(bytes).toString("utf8"),
        base64: Buffer.from(bytes).toString("base64"),
      });
    else await context.io.writeOut(bytes);
    return exitOf([record]);
  });
