import type { AdapterBridge, BridgeCapabilities } from "../../spi/bridge.js";
import type { UsbDeviceInfo, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import { UsageError } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import type { FtdiChannel, FtdiChip } from "./chips.js";
import { MAX_FREQUENCY_HZ, MIN_FREQUENCY_HZ } from "./codec.js";

export interface FtdiOptions {
  /**
   * Latency timer, 1..255 ms. Replies do not wait for it (opcode 87). Default 1; 255 with {@link hardwareWait}, so that the bytes in
   * front of a wait do not come in a transfer of their own.
   */
  readonly latencyMs?: number;
  /** MISO is wired to GPIOL1 (ADBUS5) too, so that the chip can wait for the card by itself. Default false. */
  readonly hardwareWait?: boolean;
  /** Loopback test at start-up; default true. */
  readonly selfTest?: boolean;
}

export interface FtdiOpenOptions {
  /** The channel's interface, claimed. Belongs to the bridge from here on: closed by it, also when opening fails. */
  readonly transport: UsbTransport;
  readonly clock: Clock;
  readonly log?: Log;
  /** `A` or `B`; default A. */
  readonly channel?: string;
  readonly options?: FtdiOptions;
  /** For all of the start-up; default 3 s. */
  readonly deadline?: Deadline;
}

/** An SpiBridge with the facts of the chip behind it. */
export interface FtdiBridge extends AdapterBridge {
  readonly chip: FtdiChip;
  readonly channel: FtdiChannel;
  readonly device: UsbDeviceInfo;
}

const MAX_LATENCY_MS = 255;
const HIGH_SPEED_PACKET = 512;
/** An OUT and the IN that it brings: microframes of 125 µs at high speed, frames of 1 ms at full speed. */
const HIGH_SPEED_ROUND_TRIP_US = 125;
const FULL_SPEED_ROUND_TRIP_US = 1000;
/** No limit of the chip: keeps scripts, and the reply of each, within one transfer of reasonable size. */
const MAX_TRANSACTION_BYTES = 128 * 1024;
const QUEUE_DEPTH = 4;

/** @throws UsageError for a latency that the chip cannot be set to */
export function withDefaults(options: FtdiOptions = {}): Required<FtdiOptions> {
  const latencyMs = options.hardwareWait === true ? MAX_LATENCY_MS : 1;
  const settings = { latencyMs, hardwareWait: false, selfTest: true, ...options };
  const wanted = settings.latencyMs;
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= MAX_LATENCY_MS) return settings;
  throw new UsageError(`${wanted} ms is no latency of an FTDI chip`, {
    details: { latencyMs: wanted },
    hint: `choose 1 to ${MAX_LATENCY_MS} ms`,
  });
}

/** What the chip can do on a bus with packets of `packetSize`. */
export function capabilitiesOf(hardwareWait: boolean, packetSize: number): BridgeCapabilities {
  const highSpeed = packetSize >= HIGH_SPEED_PACKET;
  return {
    maxTransactionBytes: MAX_TRANSACTION_BYTES,
    fullDuplex: true,
    csHold: true,
    hardwareWait,
    clocksWithCsHigh: true,
    minFrequencyHz: MIN_FREQUENCY_HZ,
    maxFrequencyHz: MAX_FREQUENCY_HZ,
    queueDepth: QUEUE_DEPTH,
    roundTripUs: highSpeed ? HIGH_SPEED_ROUND_TRIP_US : FULL_SPEED_ROUND_TRIP_US,
    offers: "spi",
  };
}
