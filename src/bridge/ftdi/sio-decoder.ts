import type { UsbControlSetup } from "../../transport/types.js";

/** From the low byte of wIndex; `default`: 0, which some sources use for single-channel chips. */
export type SioChannel = "A" | "B" | "C" | "D" | "default";

export type SioBitMode =
  | "reset"
  | "bit-bang"
  | "mpsse"
  | "sync-bit-bang"
  | "mcu-host"
  | "opto"
  | "cbus"
  | "sync-fifo";

export type SioFlowControl = "none" | "rts-cts" | "dtr-dsr" | "xon-xoff";

interface OnChannel {
  readonly channel: SioChannel;
}

/** A vendor control request as FTDI's chips take it (libftdi, Linux `ftdi_sio.h`). */
export type SioRequest =
  | (OnChannel & { readonly kind: "reset" | "modemStatus" | "getLatency" | "readPins" })
  /** `out`: host to chip; `in`: chip to host. */
  | (OnChannel & { readonly kind: "purge"; readonly path: "out" | "in" })
  | (OnChannel & { readonly kind: "modemControl"; readonly dtr?: boolean; readonly rts?: boolean })
  | (OnChannel & { readonly kind: "flowControl"; readonly mode: SioFlowControl })
  | (OnChannel & { readonly kind: "baud" | "lineFormat"; readonly value: number })
  | (OnChannel & {
      readonly kind: "eventChar" | "errorChar";
      readonly char: number;
      readonly enabled: boolean;
    })
  | (OnChannel & { readonly kind: "setLatency"; readonly ms: number })
  /** `direction`: 1 = output. */
  | (OnChannel & {
      readonly kind: "bitMode";
      readonly mode: SioBitMode;
      readonly direction: number;
    })
  | { readonly kind: "readEeprom"; readonly address: number }
  | { readonly kind: "writeEeprom"; readonly address: number; readonly value: number }
  | { readonly kind: "eraseEeprom" }
  | { readonly kind: "unknown" };

const VENDOR_OUT = 0x40;
const VENDOR_IN = 0xc0;

const CHANNELS: readonly SioChannel[] = ["default", "A", "B", "C", "D"];

const BIT_MODES: ReadonlyMap<number, SioBitMode> = new Map([
  [0x00, "reset"],
  [0x01, "bit-bang"],
  [0x02, "mpsse"],
  [0x04, "sync-bit-bang"],
  [0x08, "mcu-host"],
  [0x10, "opto"],
  [0x20, "cbus"],
  [0x40, "sync-fifo"],
]);

const FLOW_CONTROLS: ReadonlyMap<number, SioFlowControl> = new Map([
  [0x00, "none"],
  [0x01, "rts-cts"],
  [0x02, "dtr-dsr"],
  [0x04, "xon-xoff"],
]);

type Handler = (setup: UsbControlSetup, channel: SioChannel) => SioRequest | undefined;

const low = (value: number): number => value & 0xff;
const high = (value: number): number => value >> 8;

function resetOrPurge({ value }: UsbControlSetup, channel: SioChannel): SioRequest | undefined {
  if (value === 0) return { kind: "reset", channel };
  if (value > 2) return undefined;
  return { kind: "purge", path: value === 1 ? "out" : "in", channel };
}

/** The high byte says which of the two lines is meant, the low byte its level. */
function modemControl({ value }: UsbControlSetup, channel: SioChannel): SioRequest {
  return {
    kind: "modemControl",
    channel,
    ...(high(value) & 1 ? { dtr: (value & 1) !== 0 } : {}),
    ...(high(value) & 2 ? { rts: (value & 2) !== 0 } : {}),
  };
}

function special(kind: "eventChar" | "errorChar"): Handler {
  return ({ value }, channel) => ({
    kind,
    channel,
    char: low(value),
    enabled: (high(value) & 1) !== 0,
  });
}

const OUT_REQUESTS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [0x00, resetOrPurge],
  [0x01, modemControl],
  [
    0x02,
    ({ index }, channel) => {
      const mode = FLOW_CONTROLS.get(high(index));
      return mode && { kind: "flowControl", channel, mode };
    },
  ],
  [0x03, ({ value }, channel) => ({ kind: "baud", channel, value })],
  [0x04, ({ value }, channel) => ({ kind: "lineFormat", channel, value })],
  [0x06, special("eventChar")],
  [0x07, special("errorChar")],
  [0x09, ({ value }, channel) => ({ kind: "setLatency", channel, ms: low(value) })],
  [
    0x0b,
    ({ value }, channel) => {
      const mode = BIT_MODES.get(high(value));
      return mode && { kind: "bitMode", channel, mode, direction: low(value) };
    },
  ],
]);

const IN_REQUESTS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [0x05, (_, channel) => ({ kind: "modemStatus", channel })],
  [0x0a, (_, channel) => ({ kind: "getLatency", channel })],
  [0x0c, (_, channel) => ({ kind: "readPins", channel })],
]);

/** The EEPROM is the device's: wIndex is an address, not a channel. */
function decodeEeprom(setup: UsbControlSetup): SioRequest | undefined {
  const isIn = setup.requestType === VENDOR_IN;
  if (setup.request === 0x90 && isIn) return { kind: "readEeprom", address: setup.index };
  if (isIn) return undefined;
  if (setup.request === 0x91)
    return { kind: "writeEeprom", address: setup.index, value: setup.value };
  return setup.request === 0x92 ? { kind: "eraseEeprom" } : undefined;
}

/** What a control transfer asks of the chip. */
export function decodeSio(setup: UsbControlSetup): SioRequest {
  const unknown: SioRequest = { kind: "unknown" };
  if (setup.requestType !== VENDOR_OUT && setup.requestType !== VENDOR_IN) return unknown;
  if (setup.request >= 0x90) return decodeEeprom(setup) ?? unknown;
  const table = setup.requestType === VENDOR_OUT ? OUT_REQUESTS : IN_REQUESTS;
  const channel = CHANNELS[low(setup.index)];
  if (channel === undefined) return unknown;
  return table.get(setup.request)?.(setup, channel) ?? unknown;
}
