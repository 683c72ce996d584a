import { STATUS_BYTES } from "../../bridge/ftdi/decoder.js";
import type { ErrorCode } from "../../util/errors.js";

export type FaultEndpoint = "in" | "out" | "control";

/** Where a fault strikes: the n-th transfer (from 0, since the model was made) on one endpoint of one interface. */
interface FaultPlace {
  readonly endpoint: FaultEndpoint;
  readonly transfer: number;
  /** Default 0. */
  readonly interfaceNumber?: number;
}

/** Something going wrong on the way between host and chip. Each strikes once; `short` and `flip` leave control requests alone. */
export type FtdiFault = FaultPlace &
  /** It never arrives, and never completes by itself. */
  (
    | { readonly kind: "drop" }
    /** OUT: only so many bytes arrive, though all are reported; IN: it ends after so many, status bytes counted. */
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
  #faults: FtdiFault[] = [];

  add(fault: FtdiFault): void {
    this.#faults.push(fault);
  }

  /** Those of the transfer, which strike now. */
  take(interfaceNumber: number, endpoint: FaultEndpoint, transfer: number): FtdiFault[] {
    const hits = (fault: FtdiFault): boolean =>
      fault.endpoint === endpoint &&
      fault.transfer === transfer &&
      (fault.interfaceNumber ?? 0) === interfaceNumber;
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

/** Inverts a bit of the payload of an IN transfer; false if there are not that many. */
export function flipPayloadBit(transfer: Uint8Array, packetSize: number, bit: number): boolean {
  const payload = packetSize - STATUS_BYTES;
  const at = bit >> 3;
  const packet = Math.floor(at / payload) * packetSize;
  return flipBit(transfer, (packet + STATUS_BYTES + (at % payload)) * 8 + (bit & 7));
}
