import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import type { CardBus, CardCommand, TransferResult } from "../../../src/spi/card-bus.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import {
  createDirectBridge,
  type DirectBridge,
  type DirectBridgeOptions,
} from "../../support/direct-bridge.js";
import { ScriptCard, type ScriptCardOptions } from "./script-card.js";

/** A bus over a direct bridge over a scripted card. */
export interface Bench {
  readonly card: ScriptCard;
  readonly bridge: DirectBridge;
  readonly bus: CardBus;
  in(ms: number): Deadline;
}

export function bench(
  options: ScriptCardOptions = {},
  bridgeOptions: Partial<DirectBridgeOptions> = {},
): Bench {
  const card = new ScriptCard(options);
  const bridge = createDirectBridge({ device: card, ...bridgeOptions });
  return {
    card,
    bridge,
    bus: createSpiModeBus({ bridge, clock: bridge.clock }),
    in: (ms) => deadlineIn(bridge.clock, ms),
  };
}

export function cmd(
  index: number,
  argument = 0,
  response: CardCommand["response"] = "R1",
): CardCommand {
  return { index, argument, response };
}

export function acmd(index: number, argument = 0): CardCommand {
  return { ...cmd(index, argument), app: true };
}

export async function read(
  { bus, in: within }: Bench,
  lba: number,
  count: number,
  ms = 1000,
): Promise<Uint8Array> {
  const into = new Uint8Array(count * 512);
  const command = cmd(count === 1 ? 17 : 18, lba);
  await bus.receive(
    { command, blockLength: 512, blockCount: count, into, openEnded: count > 1 },
    within(ms),
  );
  return into;
}

export function write(
  { bus, in: within }: Bench,
  lba: number,
  data: Uint8Array,
  ms = 1000,
): Promise<TransferResult> {
  const openEnded = data.length > 512;
  const command = cmd(openEnded ? 25 : 24, lba);
  return bus.send({ command, blockLength: 512, data, openEnded }, within(ms));
}

export function pattern(blocks: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: blocks * 512 },
    (_, at) => (at * 31 + (at >> 9) * 7 + seed * 13) & 0xff,
  );
}

export function stored(card: ScriptCard, lba: number, count: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, at) => card.block(lba + at)));
}

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<{
  code: string;
  message: string;
  details: Record<string, unknown>;
}> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) throw new Error("it did not fail");
  return error as never;
}
