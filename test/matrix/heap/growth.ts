import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** No code is compiled meanwhile, and none thrown away: what is left of the heap is what the program holds. */
const FLAGS = [
  "--expose-gc",
  "--no-opt",
  "--no-sparkplug",
  "--no-flush-bytecode",
  "--no-warnings",
  "--no-lazy-feedback-allocation",
];
const SCRIPT = join("test", "matrix", "heap", "fires.mjs");

export const HOW = ["healthy", "preempting"] as const;

/** What a panic leaves behind in the heap, on an average. */
export interface Growth {
  readonly bytes: number;
  readonly objects: number;
}

/** @param fires panics that are measured, after `warmUp` others */
export async function growth(
  warmUp: number,
  fires: number,
  how: (typeof HOW)[number],
): Promise<Growth> {
  const args = [...FLAGS, SCRIPT, String(warmUp), String(fires), how];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Growth;
}
