import { BLOCK_SIZE } from "../../block/device.js";
import { CardLine } from "../../card/card-line.js";
import { identifyCard } from "../../card/identify.js";
import type { CardIdentity } from "../../card/identity.js";
import { CardSession } from "../../card/session.js";
import { createSpiModeBus } from "../../card/spi-mode/spi-mode-bus.js";
import { DEFAULT_MAX_HZ, IDENTIFY_HZ, TIMING } from "../../card/timing.js";
import type { AdapterBridge } from "../../spi/bridge.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { assert } from "../../util/errors.js";
import { describeCard } from "./card-text.js";
import { type ClockTrial, searchClock } from "./clock-search.js";
import type { BenchTarget } from "./types.js";

/** Clocks of a block of a continuous read: token, 512 bytes, CRC16. */
const BLOCK_ON_WIRE = 515;

export interface TuneOptions {
  /** To be read at each clock; rounded up to whole blocks. */
  readonly bytes: number;
  /** Clocks above this are not tried, Hz; absent: what the card allows, 25 MHz at most. */
  readonly maxHz?: number;
  /** Ask the card to check CRCs: of commands too. */
  readonly crc: boolean;
  readonly deadlineMs?: number;
  readonly onTrial?: (trial: ClockTrial) => void;
}

export interface TuneReport {
  readonly device: string;
  /** As the maker writes it. */
  readonly adapter: string;
  readonly card: string;
  /** Read at each clock. */
  readonly bytes: number;
  /** Highest clock at which all of them came back without an error. */
  readonly frequencyHz: number;
  /** Why not a higher one: it was tried and failed, the adapter has none, the card allows none, or none was asked for. */
  readonly limitedBy: "errors" | "adapter" | "card" | "asked";
  readonly bytesPerSecond: number;
  /** What the clock allows: a byte each 8 clocks, 512 of 515 of them data. */
  readonly limitBytesPerSecond: number;
  readonly share: number;
  readonly trials: readonly ClockTrial[];
}

/**
 * The highest clock that the wiring bears, by reading: nothing is written, so that only MISO and, by the CRC7 of the commands, MOSI's
 * first bytes are judged. The target is started here, and closed by the caller.
 * @throws what the steps of the target throw; what identifying a card and {@link searchClock} throw
 */
export async function tune(target: BenchTarget, options: TuneOptions): Promise<TuneReport> {
  const bridge = await startTarget(target);
  const { clock, log } = target;
  const deadline =
    options.deadlineMs === undefined ? undefined : deadlineIn(clock, options.deadlineMs);
  const bus = createSpiModeBus({ bridge, clock, log });
  try {
    const line = new CardLine(bus, clock, log);
    const [speedHz] = IDENTIFY_HZ;
    assert(speedHz !== undefined, "there is a clock of identification");
    const how = { crc: options.crc, speedHz };
    const bound = deadline ?? deadlineIn(clock, TIMING.identifyMs);
    const identity = await identifyCard(line, how, bound);
    return await tuneCard(new CardSession(line, how, identity), bridge, target, options, deadline);
  } finally {
    await bus.close();
  }
}

async function tuneCard(
  session: CardSession,
  bridge: AdapterBridge,
  { name }: BenchTarget,
  options: TuneOptions,
  deadline: Deadline | undefined,
): Promise<TuneReport> {
  const bytes = Math.ceil(options.bytes / BLOCK_SIZE) * BLOCK_SIZE;
  const maxHz = options.maxHz ?? highestOf(session.identity);
  const { onTrial } = options;
  const { best, trials } = await searchClock({ session, maxHz, bytes, deadline, onTrial });
  const { frequencyHz, bytesPerSecond } = best;
  const limitBytesPerSecond = ((frequencyHz / 8) * BLOCK_SIZE) / BLOCK_ON_WIRE;
  return {
    device: name,
    adapter: bridge.chip.name,
    card: describeCard(session.identity),
    bytes,
    frequencyHz,
    limitedBy: limitOf(trials, { maxHz, asked: options.maxHz !== undefined, bridge }),
    bytesPerSecond,
    limitBytesPerSecond,
    share: bytesPerSecond / limitBytesPerSecond,
    trials,
  };
}

/** The clock that a card is used at where nothing is asked for; a reserved TRAN_SPEED says nothing. */
export function highestOf({ csd }: CardIdentity): number {
  return csd.maxFrequencyHz === 0 ? DEFAULT_MAX_HZ : Math.min(csd.maxFrequencyHz, DEFAULT_MAX_HZ);
}

function limitOf(
  trials: readonly ClockTrial[],
  about: { readonly maxHz: number; readonly asked: boolean; readonly bridge: AdapterBridge },
): TuneReport["limitedBy"] {
  if (trials.some(({ error }) => error !== undefined)) return "errors";
  if (about.maxHz >= about.bridge.capabilities.maxFrequencyHz) return "adapter";
  return about.asked ? "asked" : "card";
}

/** All the steps from a name to a running driver. */
async function startTarget(target: BenchTarget): Promise<AdapterBridge> {
  await target.load();
  await target.find();
  await target.permission();
  await target.kernelDriver();
  await target.open();
  const { bridge } = await target.start();
  return bridge;
}
