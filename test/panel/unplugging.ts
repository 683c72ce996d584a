import { closeSync, ftruncateSync, openSync } from "node:fs";
import { cli } from "../support/fake-io.js";

/** Every family, each by its options of `sim:`. */
export const BENCHES: readonly string[] = [
  "bridge=ft232h",
  "bridge=ft232h&wait=byte",
  "bridge=ft2232h",
  "bridge=ch341a",
  "bridge=ch341a&ident=fast",
  "bridge=ch347",
  "bridge=ch347f",
  "bridge=mcp2210",
  "bridge=serprog",
  "bridge=serprog&board=stm32-vserprog&startup=lax",
];

/** What runs while the cable is pulled. */
export const VERBS = {
  info: ["info"],
  "pstore write": ["-y", "--part", "64s+16s", "pstore", "write", "-", "--kmsg-size", "4K"],
} as const;
export type Verb = keyof typeof VERBS;

export interface Outcome {
  /** `bridge=ch341a info unplug=17`: gives it again. */
  readonly id: string;
  readonly exit: number;
  readonly err: string;
}

const IMAGE_BYTES = 1 << 20;
const LOG = "<0>[    2.000000] Kernel panic - not syncing: pulled\n";

/** Runs a verb with the cable pulled at a transfer of the adapter, on a fresh card. */
export async function runUnplugged(
  path: string,
  bench: string,
  verb: Verb,
  index: number,
): Promise<Outcome> {
  const file = openSync(path, "w");
  ftruncateSync(file, 0);
  ftruncateSync(file, IMAGE_BYTES);
  closeSync(file);
  const device = `sim:${path}?card=sdsc&init=1ms&${bench}&unplug=${index}`;
  const { exit, err } = await cli(["-d", device, ...VERBS[verb]], { stdin: LOG });
  return { id: `${bench} ${verb} unplug=${index}`, exit, err };
}

/** The same card again, plugged in: what is on it is whole. */
export async function readAgain(path: string, bench: string): Promise<number> {
  const device = `sim:${path}?card=sdsc&init=1ms&${bench}`;
  const part = ["--part", "64s+16s", "--kmsg-size", "4K"];
  return (await cli(["-d", device, "pstore", "check", ...part])).exit;
}

/** Rejections that nobody handles while `work` runs. */
export async function unhandledDuring(work: () => Promise<void>): Promise<readonly unknown[]> {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("unhandledRejection", note);
  }
  return unhandled;
}
