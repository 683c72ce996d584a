import type { UsbControlSetup } from "../../transport/types.js";
import { COMMAND, reversed, UIO, UIO_ARGUMENT } from "./wire.js";

export { IDLE_PINS, OUTPUT_PINS, PACKET_BYTES, PAYLOAD_BYTES, PIN, reversed } from "./wire.js";

/** One thing that an OUT packet makes the chip do. `offset` is in the packet. */
export type Ch341Event =
  /** Both directions at once; the answer has as many bytes. `mosi` in the order of the wire, highest bit first. */
  | { readonly kind: "stream"; readonly offset: number; readonly mosi: Uint8Array }
  /** D0 to D5, as far as they are outputs. */
  | { readonly kind: "out"; readonly offset: number; readonly value: number }
  /** D0 to D5: 1 is an output. */
  | { readonly kind: "direction"; readonly offset: number; readonly value: number }
  /** The levels of D0 to D7: one byte in the packet's answer. */
  | { readonly kind: "read"; readonly offset: number }
  | { readonly kind: "delay"; readonly offset: number; readonly us: number }
  /** I2C speed 0..3 (20, 100, 400, 750 kHz); `dualSpi`: two data lines each way. */
  | {
      readonly kind: "config";
      readonly offset: number;
      readonly speed: number;
      readonly dualSpi: boolean;
    }
  /** An I2C operation; `data` behind it, where it has any. */
  | {
      readonly kind: "i2c";
      readonly offset: number;
      readonly opcode: number;
      readonly data: Uint8Array;
    }
  /** The rest of the packet is padding. */
  | { readonly kind: "end"; readonly offset: number }
  /** A stream of pins or I2C without an end. */
  | { readonly kind: "unterminated"; readonly offset: number }
  /** A command that is known and is none of SPI's. */
  | { readonly kind: "other"; readonly offset: number; readonly command: number }
  | { readonly kind: "unknown"; readonly offset: number; readonly value: number };

/** What an OUT packet makes the chip do: packets are complete in themselves (bridges.md 2.2). An empty one does nothing. */
export function decodePacket(packet: Uint8Array): Ch341Event[] {
  const [command] = packet;
  switch (command) {
    case undefined:
      return [];
    case COMMAND.spiStream:
      return [{ kind: "stream", offset: 0, mosi: reversed(packet.subarray(1)) }];
    case COMMAND.uioStream:
      return stepsOf(packet, uioStep);
    case COMMAND.i2cStream:
      return stepsOf(packet, i2cStep);
    case COMMAND.serialBits:
    case COMMAND.setOutputs:
    case COMMAND.getInputs:
      return [{ kind: "other", offset: 0, command }];
    default:
      return [{ kind: "unknown", offset: 0, value: command }];
  }
}

/** Bytes of the IN packet that answers; 0: there is none. */
export function answerBytes(events: readonly Ch341Event[]): number {
  let bytes = 0;
  for (const event of events) {
    if (event.kind === "stream") bytes += event.mosi.length;
    if (event.kind === "read") bytes++;
  }
  return bytes;
}

function stepsOf(
  packet: Uint8Array,
  stepAt: (packet: Uint8Array, offset: number) => Ch341Event,
): Ch341Event[] {
  const events: Ch341Event[] = [];
  for (let offset = 1; offset < packet.length; offset++) {
    const event = stepAt(packet, offset);
    events.push(event);
    if (event.kind === "end") return events;
    if (event.kind === "i2c") offset += event.data.length;
  }
  events.push({ kind: "unterminated", offset: packet.length });
  return events;
}

function uioStep(packet: Uint8Array, offset: number): Ch341Event {
  const byte = packet[offset] as number;
  const argument = byte & UIO_ARGUMENT;
  switch (byte & ~UIO_ARGUMENT) {
    case UIO.out:
      return { kind: "out", offset, value: argument };
    case UIO.direction:
      return { kind: "direction", offset, value: argument };
    case UIO.delayUs:
      return { kind: "delay", offset, us: argument };
  }
  if (byte === UIO.read) return { kind: "read", offset };
  return byte === UIO.end ? { kind: "end", offset } : { kind: "unknown", offset, value: byte };
}

const NO_DATA = new Uint8Array(0);

/** Of the I2C stream only the setting and the delays matter here; the rest is recognised so as to be told apart. */
function i2cStep(packet: Uint8Array, offset: number): Ch341Event {
  const byte = packet[offset] as number;
  if (byte === 0x00) return { kind: "end", offset };
  switch (byte & 0xf0) {
    case 0x40:
      return { kind: "delay", offset, us: byte & 0x0f };
    case 0x50:
      return { kind: "delay", offset, us: 1000 * (byte & 0x0f) };
    case 0x60:
      return { kind: "config", offset, speed: byte & 3, dualSpi: (byte & 4) !== 0 };
    case 0x80:
    case 0x90: {
      const count = byte & 0x1f;
      const data = packet.slice(offset + 1, offset + 1 + count);
      return { kind: "i2c", offset, opcode: byte, data };
    }
    case 0x70:
    case 0xc0:
    case 0xd0:
      return { kind: "i2c", offset, opcode: byte, data: NO_DATA };
    default:
      return { kind: "unknown", offset, value: byte };
  }
}

/** A vendor request on the default endpoint. */
export type Ch341Request =
  /** Two bytes: the version of the chip, and FF or 00. */
  | { readonly kind: "version" }
  /** The two registers whose numbers are in wValue. */
  | { readonly kind: "readRegisters"; readonly registers: number }
  | { readonly kind: "writeRegisters"; readonly registers: number; readonly values: number }
  | { readonly kind: "unknown"; readonly request: number };

const VENDOR_OUT = 0x40;
const VENDOR_IN = 0xc0;

export function decodeRequest({
  requestType,
  request,
  value,
  index,
}: UsbControlSetup): Ch341Request {
  if (requestType === VENDOR_IN && request === 0x5f) return { kind: "version" };
  if (requestType === VENDOR_IN && request === 0x95)
    return { kind: "readRegisters", registers: value };
  if (requestType === VENDOR_OUT && request === 0x9a)
    return { kind: "writeRegisters", registers: value, values: index };
  return { kind: "unknown", request };
}
