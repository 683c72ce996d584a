import type { UsbControlSetup } from "../../transport/types.js";
import { viewOf } from "../../util/bytes.js";
import { stalled } from "./function.js";

const CLASS_TO_INTERFACE = { out: 0x21, in: 0xa1 } as const;

/** CDC PSTN 1.20 table 13. */
const REQUEST = {
  setLineCoding: 0x20,
  getLineCoding: 0x21,
  setControlLineState: 0x22,
  sendBreak: 0x23,
} as const;

const LINE_CODING_BYTES = 7;
/** 115200 baud, 1 stop bit, no parity, 8 bits. */
const INITIAL: Uint8Array = Uint8Array.of(0x00, 0xc2, 0x01, 0x00, 0, 0, 8);

/** The class requests of a CDC-ACM port, and the line coding that it keeps. */
export class LineCoding {
  #coding: Uint8Array = INITIAL;

  /** The new baud rate, if the request sets one. @throws TransportError TRANSPORT_STALL for what the class does not have */
  out(setup: UsbControlSetup, data: Uint8Array): number | undefined {
    const { requestType, request } = setup;
    if (requestType !== CLASS_TO_INTERFACE.out) throw stalled(setup);
    if (request === REQUEST.setControlLineState || request === REQUEST.sendBreak) return undefined;
    if (request !== REQUEST.setLineCoding || data.length !== LINE_CODING_BYTES)
      throw stalled(setup);
    this.#coding = data.slice();
    return viewOf(data).getUint32(0, true);
  }

  /** @throws TransportError TRANSPORT_STALL */
  in(setup: UsbControlSetup): Uint8Array {
    const { requestType, request } = setup;
    if (requestType === CLASS_TO_INTERFACE.in && request === REQUEST.getLineCoding)
      return this.#coding;
    throw stalled(setup);
  }
}
