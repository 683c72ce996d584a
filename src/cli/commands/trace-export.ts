import { readCassette } from "../../device/replay.js";
import { decodeCassette } from "../../trace/chips.js";
import { exportVcd } from "../../trace/vcd.js";
import { UsageError } from "../../util/errors.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { openSink } from "../data-io.js";
import { EXIT } from "../exit-codes.js";
import { operand } from "../session.js";

const FORMATS = ["vcd"];

/** `trace export CASSETTE FILE --format vcd` */
export const run: RunVerb = async (context, operands, flags) => {
  const format = typeof flags["format"] === "string" ? flags["format"] : "vcd";
  if (!FORMATS.includes(format))
    throw new UsageError(`'${format}' is no format to export to`, {
      hint: `it is ${FORMATS.join(" or ")}`,
    });
  const path = operand(operands, 1, "file");
  const { spi } = decodeCassette(await readCassette(operand(operands, 0, "cassette")));
  const sink = await openSink(context.io, path);
  try {
    for (const piece of exportVcd(spi)) await sink.write(Buffer.from(piece));
    await sink.finish();
  } catch (error) {
    await sink.abandon();
    throw error;
  }
  if (context.settings.json && path !== "-")
    await writeJson(context, "trace-export", { format, file: path });
  note(context, `wrote ${path}`);
  return EXIT.ok;
};
