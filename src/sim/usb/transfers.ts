import type { UsbControlSetup } from "../../transport/types.js";

/** One OUT transfer that has reached the chip. */
export interface OutArrival {
  readonly data: Uint8Array;
  /** Called once when the chip has taken the last packet. */
  readonly taken: (atUs: number) => void;
}

/** One IN transfer that has reached the chip. */
export interface InArrival {
  readonly length: number;
  /** Called once, with the packets as they came; `overflow`: a packet did not fit. */
  readonly complete: (data: Uint8Array, overflow: boolean, atUs: number) => void;
}

/** A control request's data stage (empty for one without), or `stall`. */
export type ControlAnswer = Uint8Array | "stall";

/** The device end of one claimed interface, at the level of transfers. All times are model time in microseconds. */
export interface TransferChip {
  outArrives(arrival: OutArrival, atUs: number): void;
  inArrives(arrival: InArrival, atUs: number): void;
  outCancelled(arrival: OutArrival, atUs: number): void;
  inCancelled(arrival: InArrival, atUs: number): void;
  /** `data` is the data stage of an OUT request. */
  control(setup: UsbControlSetup, data: Uint8Array, atUs: number): ControlAnswer;
}
