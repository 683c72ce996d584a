import { factsOf, SERPROG, type SerprogName } from "./opcodes.js";

export { ACK, BUS_SPI, CS_MODE, NAK, opcodeName, SERPROG, SPI_MODE } from "./opcodes.js";

/** One command: its bytes, and how many bytes its answer has behind the ACK. */
export interface SerprogCommand {
  readonly opcode: number;
  readonly bytes: Uint8Array;
  readonly replyBytes: number;
}

/** Opcode and u24 lengths in front of the data of O_SPIOP. */
export const SPI_OPERATION_HEADER = 7;
/** Lengths are 24 bits wide; Q_WRNMAXLEN and Q_RDNMAXLEN say 0 for this. */
export const MAX_LENGTH: number = 2 ** 24;
const MAX_U24 = MAX_LENGTH - 1;

/** A command without data; `value` is its parameter, little-endian. */
export function encodeCommand(
  name: Exclude<SerprogName, "spiOperation">,
  value = 0,
): SerprogCommand {
  const opcode = SERPROG[name];
  const { parameters = 0, reply = 0 } = factsOf(opcode) ?? {};
  const bytes = new Uint8Array(1 + parameters);
  bytes[0] = opcode;
  for (let at = 0; at < parameters; at++) bytes[1 + at] = Math.floor(value / 256 ** at) & 0xff;
  return { opcode, bytes, replyBytes: reply };
}

/**
 * O_SPIOP: `data` out, `readLength` bytes back. Full duplex: both at once; half duplex: one after the other.
 * @throws RangeError for lengths that 24 bits do not hold
 */
export function encodeSpiOperation(data: Uint8Array, readLength: number): SerprogCommand {
  if (data.length > MAX_U24 || readLength > MAX_U24)
    throw new RangeError(`${data.length} and ${readLength} bytes do not fit into one operation`);
  const bytes = new Uint8Array(SPI_OPERATION_HEADER + data.length);
  bytes[0] = SERPROG.spiOperation;
  putU24(bytes, 1, data.length);
  putU24(bytes, 4, readLength);
  bytes.set(data, SPI_OPERATION_HEADER);
  return { opcode: SERPROG.spiOperation, bytes, replyBytes: readLength };
}

function putU24(into: Uint8Array, at: number, value: number): void {
  into[at] = value & 0xff;
  into[at + 1] = (value >> 8) & 0xff;
  into[at + 2] = (value >> 16) & 0xff;
}

/** A little-endian number of a reply. */
export function decodeNumber(reply: Uint8Array): number {
  return reply.reduceRight((value, byte) => value * 256 + byte, 0);
}

/** Q_WRNMAXLEN and Q_RDNMAXLEN: 0 means 2^24. One less can be said in an operation. */
export function decodeMaxLength(reply: Uint8Array): number {
  const length = decodeNumber(reply);
  return length === 0 ? MAX_U24 : length;
}

/** Q_CMDMAP: bit n of byte n / 8 says that command n is there. */
export function decodeCommandMap(map: Uint8Array): ReadonlySet<number> {
  const commands = new Set<number>();
  for (let opcode = 0; opcode < map.length * 8; opcode++)
    if (((map[opcode >> 3] as number) >> (opcode & 7)) & 1) commands.add(opcode);
  return commands;
}

/** Q_PGMNAME: up to the first NUL, without what cannot be printed. */
export function decodeName(reply: Uint8Array): string {
  const end = reply.indexOf(0);
  const text = Buffer.from(end < 0 ? reply : reply.subarray(0, end)).toString("latin1");
  return text.replaceAll(/[^\x20-\x7e]/g, "").trim();
}
