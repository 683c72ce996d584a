import { SerprogPort } from "../../../src/sim/serprog/port.js";
import type { SerialTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";

/** What sits at the other end of a line: gets bytes, may answer. */
export type Peer = (bytes: Uint8Array, answer: (bytes: Uint8Array) => void) => void;

/** A serial port with something else than a serprog board behind it, half a millisecond away. */
export function portTo(clock: Clock, peer: Peer, start?: Peer): SerialTransport {
  const answer = (bytes: Uint8Array): void => {
    clock.timer(500, () => port.receive(bytes));
  };
  const port = new SerprogPort({
    port: { path: "/dev/ttyUSB7" },
    clock,
    send: (bytes) => {
      const copy = bytes.slice();
      clock.timer(500, () => peer(copy, answer));
      return 0;
    },
    untilSentUs: () => 0,
    baudRate: () => undefined,
    submitting: () => undefined,
    wrote: () => undefined,
    read: () => undefined,
    secondRead: () => {
      throw new Error("two reads at a time");
    },
    released: () => undefined,
  });
  start?.(new Uint8Array(0), answer);
  return port;
}
