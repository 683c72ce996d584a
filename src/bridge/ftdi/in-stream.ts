import { BridgeError } from "../../spi/errors.js";

/** Modem status and line status in front of each packet. */
const STATUS_BYTES = 2;

/** Takes a stretch of payload: `bytes[from..to)`. */
export type PayloadSink = (bytes: Uint8Array, from: number, to: number) => void;

/**
 * Hands on the payload of one IN transfer, without the status bytes that begin each packet of it (bridges.md 1.3).
 * A transfer begins with a packet, so packets are counted from its start.
 *
 * @returns bytes of payload
 * @throws BridgeError BRIDGE_PROTOCOL if a packet ends inside its status bytes
 */
export function eachPayload(transfer: Uint8Array, packetSize: number, sink: PayloadSink): number {
  let total = 0;
  for (let packet = 0; packet < transfer.length; packet += packetSize) {
    const from = packet + STATUS_BYTES;
    const to = Math.min(packet + packetSize, transfer.length);
    if (from > to) throw tooShort(transfer.length);
    if (to > from) sink(transfer, from, to);
    total += to - from;
  }
  return total;
}

function tooShort(length: number): BridgeError {
  return new BridgeError("BRIDGE_PROTOCOL", "a packet of the adapter has no status bytes", {
    details: { length },
  });
}

/** Length of an IN transfer that has room for `payload` bytes: whole packets. */
export function inTransferBytes(payload: number, packetSize: number): number {
  return Math.max(1, Math.ceil(payload / (packetSize - STATUS_BYTES))) * packetSize;
}

/** All payload of one IN transfer, copied. */
export function payloadOf(transfer: Uint8Array, packetSize: number): Uint8Array {
  const into = new Uint8Array(transfer.length);
  let at = 0;
  eachPayload(transfer, packetSize, (bytes, from, to) => {
    into.set(bytes.subarray(from, to), at);
    at += to - from;
  });
  return into.subarray(0, at);
}
