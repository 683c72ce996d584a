import type { BlockDevice } from "../block/device.js";
import type { SdCard } from "../card/sd-card.js";
import type { Clock } from "../util/clock.js";
import type { MmcpstoreError } from "../util/errors.js";
import type { Log } from "../util/log.js";
import type { RandomSource } from "../util/random.js";

/** A device, opened: blocks, and where there is one the card and the adapter behind them. */
export interface OpenedDevice {
  /** The device string it was opened by. */
  readonly name: string;
  readonly block: BlockDevice;
  /** Absent for an image. */
  readonly card?: SdCard;
  /** Absent for an image. */
  readonly adapter?: AdapterSummary;
  /** The clock that this device runs on: real, simulated or the recording's. */
  readonly clock: Clock;
  /** Repeatable in recordings and replays. */
  readonly random: RandomSource;
  /** What the user should know: a stale lock taken over, CRC refused by the card, ... */
  readonly notes: readonly string[];
  /** Leaves card and bridge in a defined state. Idempotent. Throws what a replay found left over. */
  close(): Promise<void>;
}

/** The bridge in a few words. */
export interface AdapterSummary {
  readonly chip: string;
  readonly serialNumber?: string;
  readonly portPath?: string;
  /** Node of a HID device or serial port. */
  readonly path?: string;
  readonly frequencyHz: number;
}

export interface OpenOptions {
  readonly log: Log;
  readonly readOnly: boolean;
  /** Hz; undefined: automatic. */
  readonly speedHz?: number;
  readonly crc: boolean;
  /** Bound for opening. */
  readonly deadlineMs?: number;
  /** How long to wait for the device to appear, ms; absent: not at all. */
  readonly waitMs?: number;
  /** Writes a cassette of all USB traffic to this file. */
  readonly recordTo?: string;
  /** Goes into the cassette's header. */
  readonly arguments?: readonly string[];
  readonly version: string;
  /** Folder for the locks of adapters. */
  readonly lockDir: string;
  /** `sim:` with own firmware: where its sources, or its program, may be; default: `firmware`. */
  readonly firmwarePlaces?: readonly string[];
  /** The user has measured that the signals of the adapter have 3.3 V. */
  readonly voltageChecked?: boolean;
}

/** An adapter as `list` shows it. */
export interface AdapterListing {
  /** What to give to `-d`; the same whenever it is plugged in there. Absent: it cannot be used. */
  readonly selector?: string;
  readonly chip: string;
  readonly serialNumber?: string;
  /** `1-3.4`; absent: a serial port that is not on USB. */
  readonly portPath?: string;
  /** Node that it is opened by, where the system tells. */
  readonly node?: string;
  /** `unusable`: in a mode without SPI, or an older chip. */
  readonly access: "ok" | "denied" | "busy" | "unusable";
  /** Bound to its interface; it is given back what was taken. */
  readonly kernelDriver?: string;
  /** Why it cannot be opened, and what to do about it. */
  readonly hint?: string;
}

/** What `list` finds. */
export interface AdapterInventory {
  readonly adapters: readonly AdapterListing[];
  /** Packages that cannot be loaded: adapters behind them may be missing, or cannot be opened. */
  readonly problems: readonly MmcpstoreError[];
}
