import { viewOf } from "../../../util/bytes.js";
import { crc16 } from "../../../util/crc.js";
import { ACK } from "../opcodes.js";
import { SDX } from "./protocol.js";

/** Longest payload that a frame can say. */
const MAX_PAYLOAD = 0xffff;

/** A reply, its CRC16 right. */
export interface SdxReply {
  readonly sequence: number;
  readonly status: number;
  readonly payload: Uint8Array;
}

/**
 * A request: opcode, sequence, length, payload, CRC16 from the session's nonce.
 * @throws RangeError for a payload that no frame holds
 */
export function encodeRequest(
  opcode: number,
  sequence: number,
  payload: Uint8Array,
  nonce: number,
): Uint8Array {
  if (payload.length > MAX_PAYLOAD) throw new RangeError(`${payload.length} bytes in one frame`);
  const frame = new Uint8Array(SDX.REQUEST_HEAD_BYTES + payload.length + SDX.CRC_BYTES);
  frame[0] = opcode;
  frame[1] = sequence;
  viewOf(frame).setUint16(2, payload.length, true);
  frame.set(payload, SDX.REQUEST_HEAD_BYTES);
  return sealed(frame, nonce);
}

/** What a device says: ACK, sequence, status, length, payload, CRC16 from the session's nonce. */
export function encodeReply({ sequence, status, payload }: SdxReply, nonce: number): Uint8Array {
  const frame = new Uint8Array(SDX.REPLY_HEAD_BYTES + payload.length + SDX.CRC_BYTES);
  frame[0] = ACK;
  frame[1] = sequence;
  frame[2] = status;
  viewOf(frame).setUint16(3, payload.length, true);
  frame.set(payload, SDX.REPLY_HEAD_BYTES);
  return sealed(frame, nonce);
}

function sealed(frame: Uint8Array, nonce: number): Uint8Array {
  const end = frame.length - SDX.CRC_BYTES;
  viewOf(frame).setUint16(end, crc16(frame, 0, end, nonce));
  return frame;
}

/** Whether a frame, whole, has the CRC16 of a session. */
export function isSealed(frame: Uint8Array, nonce: number): boolean {
  const end = frame.length - SDX.CRC_BYTES;
  return crc16(frame, 0, end, nonce) === viewOf(frame).getUint16(end);
}

/** A data part: one block and its CRC16, to or from the card. */
export function encodePart(
  number: number,
  data: Uint8Array,
  from: number,
  blockLength: number,
): Uint8Array {
  const part = new Uint8Array(SDX.DATA_HEAD_BYTES + blockLength + SDX.CRC_BYTES);
  const end = SDX.DATA_HEAD_BYTES + blockLength;
  part[0] = SDX.DATA;
  part[1] = number;
  part.set(data.subarray(from, from + blockLength), SDX.DATA_HEAD_BYTES);
  viewOf(part).setUint16(end, crc16(part, SDX.DATA_HEAD_BYTES, end));
  return part;
}

/** How many data parts a device has taken, modulo 256. */
export function encodeCredit(parts: number): Uint8Array {
  return Uint8Array.of(SDX.CREDIT, parts, ~parts);
}
