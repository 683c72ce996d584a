import type { AdapterBridge, BridgeCapabilities } from "../../spi/bridge.js";
import type { UsbDeviceInfo, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import type { Log } from "../../util/log.js";
import { SLOW_HZ, STREAM_HZ } from "./codec.js";
import { PAYLOAD_BYTES } from "./wire.js";

export interface Ch341Options {
  /**
   * Every clock is that of the SPI stream, about 1.5 MHz: identification too, which the specification wants at 400 kHz or less. Most
   * cards bear it, and clones of the chip that do not answer reads of their pins need it. Default false: below the stream's
   * clock the pins are moved one by one, at about 190 kHz.
   */
  readonly fastIdentification?: boolean;
}

export interface Ch341OpenOptions {
  /** Interface 0, claimed. Belongs to the bridge from here on: closed by it, also when opening fails. */
  readonly transport: UsbTransport;
  readonly clock: Clock;
  readonly log?: Log;
  readonly options?: Ch341Options;
  /** For all of the start-up; default 3 s. */
  readonly deadline?: Deadline;
}

/** An SpiBridge with the facts of the chip behind it. */
export interface Ch341Bridge extends AdapterBridge {
  readonly device: UsbDeviceInfo;
  /** Some clones do not answer reads of their pins. */
  readonly readsPins: boolean;
}

/** An OUT and the IN that it brings: frames of 1 ms at full speed. */
const ROUND_TRIP_US = 1000;
/** No limit of the chip: whole packets, and room for a read of 64 KiB with its tokens and CRCs in one step. */
const MAX_TRANSACTION_BYTES: number = 3072 * PAYLOAD_BYTES;
const QUEUE_DEPTH = 4;
/** Measured by others with many IN transfers queued: 8 MiB in 63 s (bridges.md 2.5). */
const BYTES_PER_SECOND = 133_000;

export function capabilitiesOf(options: Ch341Options): BridgeCapabilities {
  return {
    maxTransactionBytes: MAX_TRANSACTION_BYTES,
    fullDuplex: true,
    csHold: true,
    hardwareWait: false,
    clocksWithCsHigh: true,
    minFrequencyHz: options.fastIdentification === true ? STREAM_HZ : SLOW_HZ,
    maxFrequencyHz: STREAM_HZ,
    queueDepth: QUEUE_DEPTH,
    roundTripUs: ROUND_TRIP_US,
    bytesPerSecond: BYTES_PER_SECOND,
    offers: "spi",
  };
}
