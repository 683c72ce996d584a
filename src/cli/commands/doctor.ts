import { runDoctor } from "../../device/doctor/run.js";
import type { DoctorReport, DoctorStep } from "../../device/doctor/types.js";
import { withTarget } from "../bench-session.js";
import { type Context, note, type RunVerb, writeJson } from "../context.js";
import { EXIT, EXIT_OF_ERROR, type ExitCode } from "../exit-codes.js";

const STATES: Readonly<Record<DoctorStep["state"], string>> = {
  ok: "ok",
  failed: "FAILED",
  "not reached": "not reached",
};
const STATE_WIDTH = 13;

/** `doctor`: from the package to the clock, each step with its fix. The exit code is that of the first step that failed. */
export const run: RunVerb = async (context) => {
  const { json, crc, speedHz, timeoutMs } = context.settings;
  const report = await withTarget(context, (target) =>
    runDoctor(target, {
      crc,
      ...(speedHz === undefined ? {} : { speedHz }),
      ...(timeoutMs === undefined ? {} : { deadlineMs: timeoutMs }),
      ...(json ? {} : { onStep: (step) => context.io.writeOut(stepText(step)) }),
    }),
  );
  const exit = exitOf(report);
  if (json) await reportJson(context, report, exit);
  else note(context, summary(report));
  return exit;
};

function reportJson(context: Context, report: DoctorReport, exitCode: ExitCode): Promise<void> {
  const { device, adapter, card, frequencyHz, steps } = report;
  return writeJson(context, "doctor", {
    device,
    adapter: adapter ?? null,
    card: card ?? null,
    frequencyHz: frequencyHz ?? null,
    healthy: exitCode === EXIT.ok,
    exitCode,
    steps,
  });
}

function exitOf({ steps }: DoctorReport): ExitCode {
  const code = steps.find(({ state }) => state === "failed")?.code;
  return code === undefined ? EXIT.ok : EXIT_OF_ERROR[code];
}

function stepText({ state, title, finding, fix }: DoctorStep): string {
  const seen = finding === undefined ? "" : `: ${finding}`;
  const todo = fix === undefined ? "" : `${" ".repeat(STATE_WIDTH)}${fixWord(state)}: ${fix}\n`;
  return `${STATES[state].padEnd(STATE_WIDTH)}${title}${seen}\n${todo}`;
}

function fixWord(state: DoctorStep["state"]): string {
  return state === "failed" ? "fix" : "note";
}

function summary({ device, adapter, card, steps }: DoctorReport): string {
  const failed = steps.filter(({ state }) => state === "failed");
  const what = [device, adapter, card].filter((text) => text !== undefined).join(", ");
  if (failed.length === 0) return `all is well: ${what}`;
  const names = failed.map(({ title }) => title).join("; ");
  return `${failed.length} of ${steps.length} steps failed (${names}): ${what}`;
}
