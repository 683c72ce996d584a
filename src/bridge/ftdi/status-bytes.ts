/** Modem status and line status in front of every IN packet. */
export const STATUS_BYTES = 2;

/** Overrun, parity, framing or FIFO error in the line status (pyftdi's mask; of no meaning in MPSSE mode). */
const LINE_ERRORS = 0x8e;

/** True if the second status byte reports a receive error. */
export function isStatusError(lineStatus: number): boolean {
  return (lineStatus & LINE_ERRORS) !== 0;
}

/**
 * Copies the payload of one IN transfer to `into[at..]`: `transfer` without the two status bytes at every packet
 * border.
 * @returns how many bytes of payload there were
 * @throws RangeError if a packet is cut within its status bytes, or `into` is too small
 */
export function stripStatus(
  transfer: Uint8Array,
  packetSize: number,
  into: Uint8Array,
  at: number,
): number {
  let end = at;
  for (let packet = 0; packet < transfer.length; packet += packetSize) {
    const next = Math.min(packet + packetSize, transfer.length);
    if (next - packet < STATUS_BYTES)
      throw new RangeError("IN packet shorter than its status bytes");
    into.set(transfer.subarray(packet + STATUS_BYTES, next), end);
    end += next - packet - STATUS_BYTES;
  }
  return end - at;
}
