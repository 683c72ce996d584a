import type { AdapterBridge, BridgeCapabilities } from "../../spi/bridge.js";
import type { HidDeviceInfo, HidTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import type { Log } from "../../util/log.js";
import { MAX_FREQUENCY_HZ, MIN_FREQUENCY_HZ } from "./codec.js";
import { MAX_TRANSACTION_BYTES } from "./reports.js";

export interface Mcp2210OpenOptions {
  /** Belongs to the bridge from here on: closed by it, also when opening fails. */
  readonly transport: HidTransport;
  readonly clock: Clock;
  readonly log?: Log;
  /** For all of the start-up; default 3 s. */
  readonly deadline?: Deadline;
}

/** An SpiBridge with the facts of the chip behind it. */
export interface Mcp2210Bridge extends AdapterBridge {
  readonly device: HidDeviceInfo;
}

/** A report and its answer: interrupt endpoints at full speed, a frame of 1 ms each way. */
const ROUND_TRIP_US = 2000;
/** Seen on a real chip (mcp2210-linux#11), where 60 bytes every round trip would be 30 kB/s: deadlines have to hold for that one too. */
const PUBLISHED_BYTES_PER_SECOND = 5300;
const QUEUE_DEPTH = 4;

export const MCP2210_CAPABILITIES: BridgeCapabilities = {
  maxTransactionBytes: MAX_TRANSACTION_BYTES,
  fullDuplex: true,
  csHold: true,
  hardwareWait: false,
  clocksWithCsHigh: true,
  minFrequencyHz: MIN_FREQUENCY_HZ,
  maxFrequencyHz: MAX_FREQUENCY_HZ,
  queueDepth: QUEUE_DEPTH,
  roundTripUs: ROUND_TRIP_US,
  bytesPerSecond: PUBLISHED_BYTES_PER_SECOND,
  offers: "spi",
};
