import type { AdapterBridge, BridgeCapabilities } from "../../spi/bridge.js";
import type { UsbDeviceInfo, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import type { Log } from "../../util/log.js";
import { clockHz, FASTEST_HZ, SLOWEST_CLOCK_INDEX } from "./wire.js";

export interface Ch347OpenOptions {
  /** The SPI interface, claimed: 2 of a CH347T, 4 of a CH347F. Belongs to the bridge from here on: closed by it, also when opening fails. */
  readonly transport: UsbTransport;
  readonly clock: Clock;
  readonly log?: Log;
  /** For all of the start-up; default 3 s. */
  readonly deadline?: Deadline;
}

/** An SpiBridge with the facts of the chip behind it. */
export interface Ch347Bridge extends AdapterBridge {
  readonly device: UsbDeviceInfo;
}

/** A command and its answer at high speed (bridges.md 7). */
const ROUND_TRIP_US = 150;
/** No limit of the chip, whose reads are counted with 32 bits: whole frames, and room for a read of 64 KiB with its tokens and CRCs. */
const MAX_TRANSACTION_BYTES: number = 507 * 192;
const QUEUE_DEPTH = 4;
/** Measured by others: 16 MB in 4 s at 60 MHz (bridges.md 3.4). */
const BYTES_PER_SECOND = 4_200_000;

export const CH347_CAPABILITIES: BridgeCapabilities = {
  maxTransactionBytes: MAX_TRANSACTION_BYTES,
  fullDuplex: true,
  csHold: true,
  hardwareWait: false,
  clocksWithCsHigh: true,
  minFrequencyHz: clockHz(SLOWEST_CLOCK_INDEX),
  maxFrequencyHz: FASTEST_HZ,
  queueDepth: QUEUE_DEPTH,
  roundTripUs: ROUND_TRIP_US,
  bytesPerSecond: BYTES_PER_SECOND,
  offers: "spi",
};
