import { randomBytes } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { openCard, type SdCard } from "../card/sd-card.js";
import { createSpiModeBus } from "../card/spi-mode/spi-mode-bus.js";
import { type OpenedAdapter, pollsCard } from "../spi/adapter-card-bus.js";
import type { CardBus } from "../spi/card-bus.js";
import { type BridgeFamily, CASSETTE_VERSION, type CassetteHeader } from "../transport/cassette.js";
import { toHex } from "../util/bytes.js";
import type { Clock } from "../util/clock.js";
import { deadlineIn } from "../util/deadline.js";
import { errorCode, UsageError } from "../util/errors.js";
import { createRandom, type RandomSource } from "../util/random.js";
import { type BridgeSettings, openAdapterDriver } from "./families.js";
import {
  describeLeftBehind,
  type IntentJournal,
  interruptionOf,
  type LeftBehind,
} from "./journal.js";
import { type AdapterLink, deviceOf, pathOf } from "./link.js";
import { packetSizesOf, recordLink } from "./record-link.js";
import type { AdapterSummary, OpenOptions } from "./types.js";

const SEED_BYTES = 16;
/** A 64 KiB record takes longer than the default deadline of a panic. */
const SLOW_BYTES_PER_SECOND = 15_000;

export interface StackOptions {
  readonly link: AdapterLink;
  readonly family: BridgeFamily;
  readonly settings: BridgeSettings;
  readonly clock: Clock;
  readonly options: OpenOptions;
  /** Goes into a cassette. */
  readonly deviceString: string;
  /** Of adapters that outlive this process. */
  readonly journal?: IntentJournal;
  /** Seed of a replayed run; a live one draws its own. */
  readonly randomSeed?: Uint8Array;
}

/** A card behind an adapter, identified. */
export interface CardStack {
  readonly card: SdCard;
  readonly adapter: AdapterSummary;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/**
 * Transport → (recorder) → driver → card. Owns the transport from here on; closes it if opening fails.
 * @throws what the driver and the identification of the card throw
 */
export async function openCardStack(asked: StackOptions): Promise<CardStack> {
  const stack = withRecording(asked);
  const seed = stack.randomSeed ?? new Uint8Array(randomBytes(SEED_BYTES));
  const { link, clock } = recorded(stack, seed);
  const { options, family, settings } = stack;
  const bridge = await openAdapterDriver(family, { link, settings, clock, log: options.log });
  const { journal } = stack;
  const left = journal?.leftBehind();
  const card = await identify(bridge, stack, clock, left);
  journal?.start(card.identity);
  return {
    card,
    adapter: summary(bridge, link, card),
    clock,
    random: createRandom(seed),
    notes: [...takenOver(card, left), ...notesOf(card, options), ...adapterNotes(bridge)],
    close: async () => {
      await card.close();
      journal?.finish();
    },
  };
}

async function identify(
  bridge: OpenedAdapter,
  { options, journal }: StackOptions,
  clock: Clock,
  left: LeftBehind | undefined,
): Promise<SdCard> {
  const interrupted = interruptionOf(left, clock);
  const bus = busOf(bridge, clock, options);
  const settings = {
    crc: options.crc,
    readOnly: options.readOnly,
    ...(options.speedHz === undefined ? {} : { speedHz: options.speedHz }),
    ...(interrupted === undefined ? {} : { interrupted }),
    ...(journal === undefined ? {} : { intents: journal }),
  };
  const deadline =
    options.deadlineMs === undefined ? undefined : deadlineIn(clock, options.deadlineMs);
  try {
    return await openCard({ bus, clock, log: options.log, options: settings }, deadline);
  } catch (error) {
    await bus.close().catch(() => undefined);
    throw error;
  }
}

/** Whichever of the two an adapter offers. */
function busOf(bridge: OpenedAdapter, clock: Clock, { log }: OpenOptions): CardBus {
  return pollsCard(bridge) ? bridge : createSpiModeBus({ bridge, clock, log });
}

/** What a driver is told so that its recording can be replayed. */
function withRecording(stack: StackOptions): StackOptions {
  if (stack.options.recordTo === undefined || stack.family !== "serprog") return stack;
  return { ...stack, settings: { ...stack.settings, coarseDeadlines: true } };
}

function summary(bridge: OpenedAdapter, link: AdapterLink, card: SdCard): AdapterSummary {
  const { serialNumber, portPath } = deviceOf(link);
  const path = pathOf(link);
  return {
    chip: bridge.chip.name,
    frequencyHz: card.frequencyHz,
    ...(portPath === undefined ? {} : { portPath }),
    ...(path === undefined ? {} : { path }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
}

/** The process before was killed: what it was doing, and how its card was taken back. */
function takenOver(card: SdCard, left: LeftBehind | undefined): string[] {
  const { lastRecovery } = card;
  if (left === undefined || lastRecovery === undefined) return [];
  const { steps, bytesClocked, integrityClass } = lastRecovery;
  return [
    `note: the last user of this adapter was killed, ${describeLeftBehind(left)}; the card was taken back (${steps.join(", ")}; ${bytesClocked} bytes, integrity class ${integrityClass})`,
  ];
}

function notesOf(card: SdCard, options: OpenOptions): string[] {
  if (card.identity.crc === "on") return [];
  const why = options.crc ? "the card refuses CRC checking" : "CRC checking is off";
  return [
    `warning: ${why}: a torn block can be programmed unnoticed (integrity class ${card.identity.integrityClass})`,
  ];
}

/** What the user may wonder about. */
function adapterNotes(bridge: OpenedAdapter): string[] {
  const { chip } = bridge;
  const { bytesPerSecond = Number.POSITIVE_INFINITY } = bridge.capabilities;
  const operation = pollsCard(bridge) ? undefined : bridge.capabilities.operation;
  const single = `note: the ${chip.name} raises chip select behind every operation: blocks are read and written one by one (CMD17 and CMD24, never CMD18 or CMD25)`;
  const slow = `note: the ${chip.name} moves ${(bytesPerSecond / 1000).toFixed(1)} kB/s or little more: for identification and single records`;
  return [
    ...(operation === undefined ? [] : [single]),
    ...(bytesPerSecond < SLOW_BYTES_PER_SECOND ? [slow] : []),
  ];
}

function recorded(stack: StackOptions, seed: Uint8Array): { link: AdapterLink; clock: Clock } {
  const { link, clock, options } = stack;
  if (options.recordTo === undefined) return { link, clock };
  const path = options.recordTo;
  createCassette(path);
  return recordLink(link, clock, headerOf(stack, seed), (line) => appendFileSync(path, line));
}

function createCassette(path: string): void {
  try {
    writeFileSync(path, "");
  } catch (cause) {
    throw new UsageError(
      `the cassette ${path} cannot be written (${errorCode(cause) ?? "error"})`,
      { cause },
    );
  }
}

function headerOf(
  { link, family, settings, clock, options, deviceString }: StackOptions,
  seed: Uint8Array,
): CassetteHeader {
  return {
    cassette: CASSETTE_VERSION,
    transport: link.kind,
    bridge: family,
    tool: options.version,
    zlib: process.versions["zlib"] ?? "",
    device: deviceOf(link),
    deviceString,
    packetSizes: packetSizesOf(link),
    capabilities: {
      ...settings,
      crc: options.crc,
      speedHz: options.speedHz ?? null,
      readOnly: options.readOnly,
    },
    arguments: options.arguments ?? [],
    wallTimeMs: clock.wallTime(),
    randomSeed: toHex(seed),
  };
}
