import { randomBytes } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { type FtdiBridge, openFtdi } from "../bridge/ftdi/driver.js";
import { openCard, type SdCard } from "../card/sd-card.js";
import { createSpiModeBus } from "../card/spi-mode/spi-mode-bus.js";
import { CASSETTE_VERSION, type CassetteHeader } from "../transport/cassette.js";
import { UsbRecorder } from "../transport/recorder.js";
import type { UsbTransport } from "../transport/types.js";
import { toHex } from "../util/bytes.js";
import type { Clock } from "../util/clock.js";
import { deadlineIn } from "../util/deadline.js";
import { errorCode, UsageError } from "../util/errors.js";
import { createRandom, type RandomSource } from "../util/random.js";
import type { AdapterSummary, OpenOptions } from "./types.js";

const SEED_BYTES = 16;
const RECORDED_ENDPOINTS = [0x02, 0x81, 0x04, 0x83];

export interface StackOptions {
  readonly transport: UsbTransport;
  readonly clock: Clock;
  readonly options: OpenOptions;
  /** Goes into a cassette. */
  readonly deviceString: string;
  readonly channel?: string;
  /** MISO is wired to GPIOL1 too. */
  readonly hardwareWait?: boolean;
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
export async function openCardStack(stack: StackOptions): Promise<CardStack> {
  const seed = stack.randomSeed ?? new Uint8Array(randomBytes(SEED_BYTES));
  const { transport, clock } = recorded(stack, seed);
  const { options } = stack;
  const bridge = await openFtdi({
    transport,
    clock,
    log: options.log,
    ...(stack.channel === undefined ? {} : { channel: stack.channel }),
    options: { hardwareWait: stack.hardwareWait ?? false },
  });
  const card = await identify(bridge, clock, options);
  return {
    card,
    adapter: summary(bridge, card),
    clock,
    random: createRandom(seed),
    notes: notesOf(card, options),
    close: () => card.close(),
  };
}

async function identify(bridge: FtdiBridge, clock: Clock, options: OpenOptions): Promise<SdCard> {
  const bus = createSpiModeBus({ bridge, clock, log: options.log });
  const settings = {
    crc: options.crc,
    readOnly: options.readOnly,
    ...(options.speedHz === undefined ? {} : { speedHz: options.speedHz }),
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

function summary(bridge: FtdiBridge, card: SdCard): AdapterSummary {
  const { serialNumber, portPath } = bridge.device;
  return {
    chip: bridge.chip.name,
    portPath,
    frequencyHz: card.frequencyHz,
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
}

function notesOf(card: SdCard, options: OpenOptions): string[] {
  if (card.identity.crc === "on") return [];
  const why = options.crc ? "the card refuses CRC checking" : "CRC checking is off";
  return [
    `warning: ${why}: a torn block can be programmed unnoticed (integrity class ${card.identity.integrityClass})`,
  ];
}

function recorded(
  stack: StackOptions,
  seed: Uint8Array,
): { transport: UsbTransport; clock: Clock } {
  const { transport, clock, options } = stack;
  if (options.recordTo === undefined) return { transport, clock };
  const path = options.recordTo;
  createCassette(path);
  const recorder = new UsbRecorder(transport, clock, headerOf(stack, seed), (line) =>
    appendFileSync(path, line),
  );
  return { transport: recorder, clock: recorder.clock };
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
  { transport, clock, options, deviceString, channel, hardwareWait }: StackOptions,
  seed: Uint8Array,
): CassetteHeader {
  return {
    cassette: CASSETTE_VERSION,
    transport: "usb",
    bridge: "ftdi",
    tool: options.version,
    zlib: process.versions["zlib"] ?? "",
    device: transport.device,
    deviceString,
    packetSizes: packetSizesOf(transport),
    capabilities: {
      channel: channel ?? null,
      hardwareWait: hardwareWait ?? false,
      crc: options.crc,
      speedHz: options.speedHz ?? null,
      readOnly: options.readOnly,
    },
    arguments: options.arguments ?? [],
    wallTimeMs: clock.wallTime(),
    randomSeed: toHex(seed),
  };
}

function packetSizesOf(transport: UsbTransport): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const endpoint of RECORDED_ENDPOINTS) {
    try {
      sizes[String(endpoint)] = transport.packetSize(endpoint);
    } catch {
      // An endpoint of another channel: not ours to record.
    }
  }
  return sizes;
}
