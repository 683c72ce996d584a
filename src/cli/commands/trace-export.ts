import { readCassette } from "../../device/replay.js";
import { exportTrace, parseExportFormat } from "../../trace/export.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { openSink } from "../data-io.js";
import { EXIT } from "../exit-codes.js";
import { operand } from "../session.js";

/** `trace export CASSETTE FILE --format vcd|sr|pcapng|pcap|umockdev` */
export const run: RunVerb = async (context, operands, flags) => {
  const format = parseExportFormat(typeof flags["format"] === "string" ? flags["format"] : "vcd");
  const path = operand(operands, 1, "file");
  const pieces = exportTrace(await readCassette(operand(operands, 0, "cassette")), format);
  const sink = await openSink(context.io, path);
  try {
    for (const piece of pieces) await sink.write(piece);
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
