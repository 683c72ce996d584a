import type { CardCommand } from "../../spi/card-bus.js";
import { viewOf } from "../../util/bytes.js";
import { crc7, crc16 } from "../../util/crc.js";

export { commandName } from "../../spi/command-name.js";

/** Command frame: start bits and index, argument, CRC7 and end bit (SD Physical Layer 7.3.1.1). */
export const COMMAND_BYTES = 6;
/** NWR: at least one FF between response (or busy) and a token. */
const LEAD_BYTES = 1;
const CRC_BYTES = 2;

/** Tokens of SD Physical Layer 7.3.3.2. */
export const TOKEN = {
  /** Single and multiple read, single write, every register. */
  startBlock: 0xfe,
  /** A block of CMD25. */
  startMultiWrite: 0xfc,
  /** Ends CMD25. */
  stopTran: 0xfd,
} as const;

/** Bytes of a block on the wire besides its data: token and CRC16. */
export const BLOCK_OVERHEAD: number = 1 + CRC_BYTES;

/** Writes the frame of a command at `into[at..at + 6)`. */
export function encodeCommand(
  into: Uint8Array,
  at: number,
  command: Pick<CardCommand, "index" | "argument">,
): void {
  into[at] = 0x40 | command.index;
  viewOf(into).setUint32(at + 1, command.argument);
  into[at + 5] = (crc7(into.subarray(at, at + 5)) << 1) | 1;
}

/** Makes the CRC7 of a frame at `into[at]` wrong in its lowest bit. */
export function spoilCrc7(into: Uint8Array, at: number): void {
  into[at + 5] = (into[at + 5] as number) ^ 0x02;
}

/** One FF, the frame: what a command puts on MOSI. */
export function commandBytes(index: number, argument = 0): Uint8Array {
  const bytes = new Uint8Array(1 + COMMAND_BYTES).fill(0xff);
  encodeCommand(bytes, 1, { index, argument });
  return bytes;
}

/** A buffer for {@link encodeBlock}. */
export function blockBuffer(blockLength: number): Uint8Array {
  return new Uint8Array(LEAD_BYTES + BLOCK_OVERHEAD + blockLength).fill(0xff);
}

/** FF, token, data, CRC16 into a buffer of {@link blockBuffer}. */
export function encodeBlock(into: Uint8Array, token: number, data: Uint8Array, from: number): void {
  const start = LEAD_BYTES + 1;
  const end = into.length - CRC_BYTES;
  into[LEAD_BYTES] = token;
  into.set(data.subarray(from, from + end - start), start);
  viewOf(into).setUint16(end, crc16(into, start, end));
}
