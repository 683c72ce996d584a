import type { AdapterBridge, BridgeCapabilities } from "../../spi/bridge.js";
import type { SerialPortInfo, SerialTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import { UsageError } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import type { Programmer } from "./programmer.js";

export interface SerprogOptions {
  /** Of a port that is a UART; set at opening. Absent: left as it is, and taken for a USB port that has none. */
  readonly baudRate?: number;
  /** Own firmware: what it shall take for a pause, 5 to 5000 ms; absent: as it likes. */
  readonly silenceMs?: number;
  /** Own firmware: deadlines are told to it rounded up, so that a recording of them can be replayed. */
  readonly coarseDeadlines?: boolean;
}

export interface SerprogOpenOptions {
  /** Belongs to the bridge from here on: closed by it, also when opening fails. */
  readonly transport: SerialTransport;
  readonly clock: Clock;
  readonly log?: Log;
  readonly options?: SerprogOptions;
  /** For all of the start-up; default 6 s: boards with a boot loader are silent for the first two. */
  readonly deadline?: Deadline;
}

/** An SpiBridge with what is known of the programmer behind it. */
export interface SerprogBridge extends AdapterBridge {
  readonly programmer: Programmer;
  readonly port: SerialPortInfo;
}

/** Full-speed USB, shared by both directions. */
const USB_BYTES_PER_SECOND = 600_000;
const USB_ROUND_TRIP_US = 1000;
/** Start bit, 8 data bits, stop bit. */
const UART_BITS = 10;
/** Header, answer and a frame of USB: what a round trip over a UART is made of, besides its data. */
const ROUND_TRIP_BYTES = 8;
const MAX_BAUD = 12_000_000;

/** No limit of the programmer: what one step of a transaction is made of. */
const MAX_TRANSACTION_BYTES = 128 * 1024;
/** Longer operations gain nothing, and an abort has to wait for them. */
const MAX_OPERATION_BYTES = 4096;
/** Of the half-duplex kind, where one operation has to hold all of a read. */
const MAX_WINDOW_BYTES = 16 * 1024;
/** Where flow control works: as much as keeps the line busy, and no more than an abort can wait for. */
const MAX_AHEAD_BYTES = 16 * 1024;
const FLOW_CONTROLLED = 0xffff;
const QUEUE_DEPTH = 4;

/** What a programmer does that has no S_SPI_FREQ is not known: 8 MHz is between what AVRs and STM32s do. */
export const ASSUMED_FREQUENCY_HZ = 8_000_000;
/** Identification speed of SD and MMC cards. */
export const IDENTIFY_HZ = 400_000;
const MIN_FREQUENCY_HZ = 100_000;
const MAX_FREQUENCY_HZ = 50_000_000;

/** @throws UsageError for a baud rate that no port has */
export function checkOptions({ baudRate }: SerprogOptions): void {
  if (baudRate === undefined) return;
  if (Number.isInteger(baudRate) && baudRate >= 1200 && baudRate <= MAX_BAUD) return;
  throw new UsageError(`${baudRate} is no baud rate`, {
    details: { baudRate },
    hint: `choose 1200 to ${MAX_BAUD}, as the firmware of the board wants it`,
  });
}

/** Bytes a second, each way. */
export function lineRate({ baudRate }: SerprogOptions): number {
  return baudRate === undefined ? USB_BYTES_PER_SECOND : baudRate / UART_BITS;
}

/** Bytes of commands that may be unanswered at a time. */
export function aheadOf({ serialBuffer }: Programmer): number {
  return serialBuffer >= FLOW_CONTROLLED
    ? MAX_AHEAD_BYTES
    : Math.min(serialBuffer, MAX_AHEAD_BYTES);
}

/** Bytes of one full-duplex operation: the same number goes each way. */
export function exchangeBytes({ maxWriteBytes, maxReadBytes }: Programmer): number {
  return Math.min(maxWriteBytes, maxReadBytes, MAX_OPERATION_BYTES);
}

/** A programmer that can, takes the next lower clock; how low it gets is not asked: some firmware gets lost there. */
function lowestOf(takenFor400kHz: number): number {
  return takenFor400kHz > IDENTIFY_HZ ? takenFor400kHz : Math.min(takenFor400kHz, MIN_FREQUENCY_HZ);
}

/** `slowestHz`: what it took when it was asked for 400 kHz. */
export function capabilitiesOf(
  programmer: Programmer,
  options: SerprogOptions,
  slowestHz: number,
): BridgeCapabilities {
  const { full, serialBuffer, setsFrequency, maxWriteBytes, maxReadBytes } = programmer;
  // Without flow control each operation's bytes come back only when all are there.
  const perSecond = lineRate(options) / (full && serialBuffer < FLOW_CONTROLLED ? 2 : 1);
  return {
    maxTransactionBytes: MAX_TRANSACTION_BYTES,
    fullDuplex: full,
    csHold: full,
    hardwareWait: false,
    clocksWithCsHigh: full,
    minFrequencyHz: setsFrequency ? lowestOf(slowestHz) : ASSUMED_FREQUENCY_HZ,
    maxFrequencyHz: setsFrequency ? MAX_FREQUENCY_HZ : ASSUMED_FREQUENCY_HZ,
    queueDepth: QUEUE_DEPTH,
    roundTripUs: USB_ROUND_TRIP_US + (ROUND_TRIP_BYTES * 1e6) / perSecond,
    bytesPerSecond: perSecond,
    offers: "spi",
    ...(full
      ? {}
      : {
          operation: {
            maxWriteBytes: Math.min(maxWriteBytes, MAX_WINDOW_BYTES),
            maxReadBytes: Math.min(maxReadBytes, MAX_WINDOW_BYTES),
          },
        }),
  };
}
