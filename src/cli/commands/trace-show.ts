import { readCassette } from "../../device/replay.js";
import { parseTraceLevel, renderTrace } from "../../trace/render.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { operand } from "../session.js";

/** `trace show CASSETTE`: recorded traffic, decoded; by default down to card commands. */
export const run: RunVerb = async (context, operands, flags) => {
  const level = parseTraceLevel(typeof flags["level"] === "string" ? flags["level"] : "card");
  const cassette = await readCassette(operand(operands, 0, "cassette"));
  const lines = renderTrace(cassette, level);
  if (context.settings.json) {
    await writeJson(context, "trace", { header: cassette.header, level, lines });
    return EXIT.ok;
  }
  for (const { atUs, text } of lines)
    await context.io.writeOut(`${(atUs / 1000).toFixed(3).padStart(12)} ms  ${text}\n`);
  return EXIT.ok;
};
