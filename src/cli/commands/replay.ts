import { readCassette } from "../../device/replay.js";
import { UsageError } from "../../util/errors.js";
import type { RunVerb } from "../context.js";
import { operand } from "../session.js";

/** `replay FILE [-- VERB ...]`: without a verb, the recorded one. */
export const run: RunVerb = async (context, operands) => {
  const path = operand(operands, 0, "file");
  const given = operands.slice(1);
  const args = given.length > 0 ? given : recordedVerb((await readCassette(path)).header.arguments);
  return context.rerun(args, { device: `replay:${path}` });
};

function recordedVerb(args: readonly string[]): readonly string[] {
  if (args.length > 0) return args;
  throw new UsageError("the cassette does not say which verb was recorded", {
    hint: "name it: mmcpstore replay FILE -- info",
  });
}
