import type { UsbControlSetup } from "../../transport/types.js";

const VENDOR_OUT = 0x40;
const VENDOR_IN = 0xc0;

const REQUEST = {
  reset: 0x00,
  flowControl: 0x02,
  eventChar: 0x06,
  errorChar: 0x07,
  latencyTimer: 0x09,
  bitMode: 0x0b,
  readPins: 0x0c,
} as const;

const PURGE_OUT = 1;
const PURGE_IN = 2;
const RTS_CTS = 0x01;
const MPSSE_MODE = 0x02;

/** Control requests of FTDI's chips (libftdi `ftdi.h`, Linux `ftdi_sio.h`); `index` is the channel's. */
export interface SioRequests {
  readonly reset: UsbControlSetup;
  /** Discards what is on its way from the host to the chip. */
  readonly purgeOut: UsbControlSetup;
  /** Discards what is on its way from the chip to the host. */
  readonly purgeIn: UsbControlSetup;
  readonly noEventChar: UsbControlSetup;
  readonly noErrorChar: UsbControlSetup;
  /** Holds the host off while the chip's buffers are full (AN_135). */
  readonly rtsCts: UsbControlSetup;
  readonly modeReset: UsbControlSetup;
  /** All pins inputs (as AN_135 has it): nothing is driven before the first 80. */
  readonly modeMpsse: UsbControlSetup;
  /** One byte in: the levels of ADBUS (BDBUS). */
  readonly readPins: UsbControlSetup;
  /** How long the chip keeps less than a packet back, 1..255 ms. */
  latency(ms: number): UsbControlSetup;
}

/** The requests for one channel. */
export function sioRequests(index: number): SioRequests {
  const out = (request: number, value: number, high = 0): UsbControlSetup => ({
    requestType: VENDOR_OUT,
    request,
    value,
    index: (high << 8) | index,
  });
  return {
    reset: out(REQUEST.reset, 0),
    purgeOut: out(REQUEST.reset, PURGE_OUT),
    purgeIn: out(REQUEST.reset, PURGE_IN),
    noEventChar: out(REQUEST.eventChar, 0),
    noErrorChar: out(REQUEST.errorChar, 0),
    rtsCts: out(REQUEST.flowControl, 0, RTS_CTS),
    modeReset: out(REQUEST.bitMode, 0),
    modeMpsse: out(REQUEST.bitMode, MPSSE_MODE << 8),
    readPins: { requestType: VENDOR_IN, request: REQUEST.readPins, value: 0, index },
    latency: (ms) => out(REQUEST.latencyTimer, ms),
  };
}
