import { existsSync, statSync } from "node:fs";
import { UsageError } from "../../util/errors.js";
import { note, type RunVerb } from "../context.js";

/** `record -o FILE -- VERB ...` */
export const run: RunVerb = async (context, operands, flags) => {
  const { output } = flags;
  if (typeof output !== "string")
    throw new UsageError("-o FILE is missing", {
      hint: "mmcpstore record -o run.cassette -- info",
    });
  if (context.launch.recordTo !== undefined) throw new UsageError("record cannot be recorded");
  const exit = await context.rerun(operands, { ...context.launch, recordTo: output });
  if (existsSync(output) && statSync(output).size > 0) note(context, `recorded to ${output}`);
  return exit;
};
