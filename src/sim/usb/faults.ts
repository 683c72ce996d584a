import type { ErrorCode } from "../../util/errors.js";

export type FaultEndpoint = "in" | "out" | "control";

/** Where a fault strikes: the n-th transfer (from 0, since the model was made) on one endpoint of one interface. */
interface FaultPlace {
  readonly endpoint: FaultEndpoint;
  readonly transfer: number;
  /** Default: whichever comes to that transfer first. */
  readonly interfaceNumber?: number;
}

/** Something going wrong on the way between host and chip. Each strikes once; `short` and `flip` leave control requests alone. */
export type UsbFault = FaultPlace &
  /** It never arrives, and never completes by itself. */
  (
    | { readonly kind: "drop" }
    /** OUT: only so many bytes arrive, though all are reported; IN: it ends after so many. */
    | { readonly kind: "short"; readonly bytes: number }
    /** Its completion comes late; those behind it on the endpoint wait. */
    | { readonly kind: "delay"; readonly us: number }
    /** A bit of the payload (bit 0 = bit 7 of the first byte) is inverted; an IN without that many leaves it to the next. */
    | { readonly kind: "flip"; readonly bit: number }
    /** It completes with an error, and is lost. */
    | { readonly kind: "fail"; readonly code: ErrorCode }
  );

/** The faults still to strike, by transfer. */
export class FaultPlan {
  #faults: UsbFault[] = [];

  add(fault: UsbFault): void {
    this.#faults.push(fault);
  }

  /** Those of the transfer, which strike now. */
  take(interfaceNumber: number, endpoint: FaultEndpoint, transfer: number): UsbFault[] {
    const hits = (fault: UsbFault): boolean =>
      fault.endpoint === endpoint &&
      fault.transfer === transfer &&
      (fault.interfaceNumber ?? interfaceNumber) === interfaceNumber;
    const struck = this.#faults.filter(hits);
    if (struck.length > 0) this.#faults = this.#faults.filter((fault) => !hits(fault));
    return struck;
  }
}

/** Inverts bit `bit` (MSB first) of `bytes`; false if there are not that many. */
export function flipBit(bytes: Uint8Array, bit: number): boolean {
  const at = bit >> 3;
  const byte = bytes[at];
  if (byte === undefined) return false;
  bytes[at] = byte ^ (0x80 >> (bit & 7));
  return true;
}

/** What arrives of OUT data, or is seen of IN data, cut by `short` faults. */
export function cutShort(data: Uint8Array, faults: readonly UsbFault[]): Uint8Array {
  let seen = data;
  for (const fault of faults) if (fault.kind === "short") seen = seen.subarray(0, fault.bytes);
  return seen;
}

/** OUT data as they arrive. */
export function damagedOut(data: Uint8Array, faults: readonly UsbFault[]): Uint8Array {
  let sent = cutShort(data, faults);
  for (const fault of faults) {
    if (fault.kind !== "flip") continue;
    sent = sent.slice();
    flipBit(sent, fault.bit);
  }
  return sent;
}

/** By how much the completion is late, in microseconds. */
export function delayOf(faults: readonly UsbFault[]): number {
  return faults.reduce((sum, fault) => sum + (fault.kind === "delay" ? fault.us : 0), 0);
}
