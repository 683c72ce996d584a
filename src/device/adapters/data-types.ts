import type { AdapterChip } from "../spec.js";

/** A USB device that is driven, or that is known and cannot be. */
export interface AdapterUsbId {
  readonly vendorId: number;
  readonly productId: number;
  /** The part or board that has it. */
  readonly name: string;
}

/** A device of the same chip in a mode that has no usable SPI. */
export interface RefusedUsbId extends AdapterUsbId {
  /** What the user can do. */
  readonly fix: string;
}

/** What a pin of the adapter is for. */
export type AdapterSignal = "CS" | "SCK" | "MOSI" | "MISO" | "MISO (hardware wait)" | "3V3" | "GND";

/** One wire from an adapter to a card. */
export interface AdapterPin {
  readonly signal: AdapterSignal;
  /** As the chip's datasheet names it. */
  readonly chipPin: string;
  /** As it is printed on common boards. */
  readonly label: string;
  /** Absent: the wire is part of every set-up. */
  readonly optional?: string;
}

/** A board whose maker has decided something. */
export interface AdapterBoard {
  readonly name: string;
  /** Device string that stands for it, where there is one. */
  readonly device?: string;
  /** Part of its USB product string, and the FTDI channel that its SPI pins are on. */
  readonly product?: string;
  readonly channel?: string;
  readonly note: string;
}

/** A figure, and where it is from. */
export interface AdapterRate {
  /** `model`: measured on our model of the chip; `computed`: arithmetic; `published`: somebody's bench. */
  readonly kind: "model" | "computed" | "published";
  readonly text: string;
  readonly source: string;
}

/** Of figures of our models: a test measures them again. */
export const MODEL_SOURCE = "mmcpstore tune, 64 KiB of our bench card";

/** How far an adapter is proved, weakest first. */
export const PROOF_STATES = ["model", "usb-stack", "hardware"] as const;
export type ProofState = (typeof PROOF_STATES)[number];

/** Everything that documentation, `wiring`, `udev` and `doctor` say about a kind of adapter. */
export interface AdapterData {
  /** As device strings name it. */
  readonly id: AdapterChip;
  /** As the maker writes it. */
  readonly chip: string;
  readonly maker: string;
  readonly transport: "usb" | "hid" | "serial";
  /** Forms of its device string. */
  readonly devices: readonly string[];
  readonly usbIds: readonly AdapterUsbId[];
  readonly refused: readonly RefusedUsbId[];
  readonly clock: { readonly minHz: number; readonly maxHz: number; readonly steps: string };
  readonly pins: readonly AdapterPin[];
  readonly boards: readonly AdapterBoard[];
  /** Levels of its pins. */
  readonly voltage: string;
  /** What can destroy a card or a record. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  readonly rates: readonly AdapterRate[];
  readonly proof: ProofState;
}
