import { InternalError } from "../util/errors.js";
import type { CsPin } from "./cs-trail.js";
import type { BusOp } from "./plan.js";

/** Clocks between two moves of CS. */
export interface ClockRun {
  readonly kind: "clock";
  readonly mosi: Uint8Array;
  /** Stretches of MISO that belong to the reply, in order. */
  readonly reply: readonly { readonly from: number; readonly to: number }[];
}

export type SpiRun = { readonly kind: "cs"; readonly level: CsPin } | ClockRun;

/** The ops of a step for a chip that always clocks both ways: joined to as few runs as moves of CS allow. */
export function runsOf(ops: readonly BusOp[]): SpiRun[] {
  const runs: SpiRun[] = [];
  let pending: BusOp[] = [];
  const flush = (): void => {
    const run = joined(pending);
    if (run.mosi.length > 0) runs.push(run);
    pending = [];
  };
  for (const op of ops) {
    if (op.kind !== "cs") {
      pending.push(op);
      continue;
    }
    flush();
    runs.push({ kind: "cs", level: op.level });
  }
  flush();
  return runs;
}

function joined(ops: readonly BusOp[]): ClockRun {
  const mosi = new Uint8Array(ops.reduce((sum, op) => sum + bytesOf(op), 0)).fill(0xff);
  const reply: { from: number; to: number }[] = [];
  let at = 0;
  for (const op of ops) {
    const to = at + bytesOf(op);
    if (op.kind === "write" || op.kind === "exchange") mosi.set(op.data, at);
    if (op.kind === "read" || op.kind === "exchange") reply.push({ from: at, to });
    at = to;
  }
  return { kind: "clock", mosi, reply };
}

function bytesOf(op: BusOp): number {
  switch (op.kind) {
    case "write":
    case "exchange":
      return op.data.length;
    case "read":
      return op.length;
    case "idle":
      return op.bytes;
    case "cs":
      return 0;
    case "waitReady":
      throw new InternalError("the chip cannot wait by itself, and says so");
  }
}
