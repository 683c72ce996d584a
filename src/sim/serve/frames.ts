/**
 * The protocol between `sim serve` and `-d sim:unix:PATH`: frames over any byte stream, little-endian.
 *
 * ```
 * u32 length of what follows | u8 type | u32 id | body
 * ```
 *
 * The client opens with HELLO and gets WELCOME or FAILED, both with id 0. Then it numbers its transfers as it
 * likes; each is answered once, by DONE or FAILED, in any order. CANCEL carries the id of the transfer meant and has no
 * answer of its own. Either side may simply go away: for the model that is a closed USB device.
 */
import { concatBytes, viewOf } from "../../util/bytes.js";

export const PROTOCOL_VERSION = 1;

/** First bytes of HELLO's body. */
export const MAGIC = "mmcpsim";

export const FRAME = {
  /** `mmcpsim`, u16 version, u8 interface number */
  hello: 0x01,
  /** {@link TransferBody} with setup, then the data */
  controlOut: 0x02,
  controlIn: 0x03,
  bulkOut: 0x04,
  bulkIn: 0x05,
  cancel: 0x06,
  close: 0x07,
  /** JSON {@link Welcome} */
  welcome: 0x81,
  /** what came in; empty for OUT */
  done: 0x82,
  /** JSON {@link Failure} */
  failed: 0x83,
} as const;

export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly body: Uint8Array;
}

const LENGTH_BYTES = 4;
const HEAD_BYTES = 5;

/** Largest body of a frame: the largest transfer that one side may ask of the other. */
export const MAX_BODY_BYTES: number = 16 * 1024 * 1024;

/** What came is not this protocol. */
export class FrameError extends Error {}

export function encodeFrame(type: number, id: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + HEAD_BYTES + body.length);
  const view = viewOf(frame);
  view.setUint32(0, HEAD_BYTES + body.length, true);
  frame[LENGTH_BYTES] = type;
  view.setUint32(LENGTH_BYTES + 1, id, true);
  frame.set(body, LENGTH_BYTES + HEAD_BYTES);
  return frame;
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #held: Uint8Array = new Uint8Array(0);

  /** @throws FrameError if a length is impossible */
  push(chunk: Uint8Array): Frame[] {
    const bytes = this.#held.length === 0 ? chunk : concatBytes([this.#held, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    for (;;) {
      const frame = frameAt(bytes, at);
      if (frame === undefined) break;
      frames.push(frame);
      at += LENGTH_BYTES + HEAD_BYTES + frame.body.length;
    }
    this.#held = bytes.slice(at);
    return frames;
  }
}

function frameAt(bytes: Uint8Array, at: number): Frame | undefined {
  if (bytes.length - at < LENGTH_BYTES) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint32(at, true);
  if (length < HEAD_BYTES || length > HEAD_BYTES + MAX_BODY_BYTES)
    throw new FrameError(`a frame of ${length} bytes`);
  if (bytes.length - at - LENGTH_BYTES < length) return undefined;
  const start = at + LENGTH_BYTES;
  return {
    type: bytes[start] as number,
    id: view.getUint32(start + 1, true),
    body: bytes.slice(start + HEAD_BYTES, start + length),
  };
}
