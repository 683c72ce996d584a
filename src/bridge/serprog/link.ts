import { outOfSync } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { SerialTransport } from "../../transport/types.js";
import { concatBytes } from "../../util/bytes.js";
import type { Deadline } from "../../util/deadline.js";
import { ACK, NAK, opcodeName, type SerprogCommand } from "./codec.js";
import type { SerialReader } from "./serial-reader.js";

/** A command that is not answered yet. */
interface Flight {
  readonly command: SerprogCommand;
  readonly deadline: Deadline;
  readonly reply: Uint8Array;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  sent: boolean;
  acknowledged: boolean;
  filled: number;
}

/** What the programmer says when it does not do a command. */
class RefusedCommand extends BridgeError {}

/** True for a NAK, and nothing worse: the stream is still in step. */
export function isRefusal(error: unknown): boolean {
  return error instanceof RefusedCommand;
}

/**
 * Commands out, answers in, in order. Commands go out ahead of the answers before them as far as the programmer's serial buffer holds
 * them. Whatever fails, all that is on its way fails too, and the link is out of step until {@link restart}.
 */
export class SerprogLink {
  readonly #transport: SerialTransport;
  readonly #reader: SerialReader;
  readonly #flights: Flight[] = [];
  #aheadBytes = 0;
  #receiving = false;
  #sendingSoon = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(transport: SerialTransport, reader: SerialReader) {
    this.#transport = transport;
    this.#reader = reader;
  }

  /** Bytes of unanswered commands that the programmer may have; one command may always go, whatever its length. */
  set aheadBytes(bytes: number) {
    this.#aheadBytes = bytes;
  }

  /** Something is on its way. */
  get busy(): boolean {
    return this.#flights.length > 0;
  }

  /** What brought the link out of step. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /**
   * Resolves with the bytes behind the ACK.
   * @throws TransportError; BridgeError BRIDGE_PROTOCOL for a NAK or anything else than ACK, BRIDGE_SYNC while out of step
   */
  run(command: SerprogCommand, deadline: Deadline): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(outOfSync(this.#failure.error));
    return new Promise((resolve, reject) => {
      const reply = new Uint8Array(command.replyBytes);
      this.#flights.push({
        command,
        deadline,
        reply,
        resolve,
        reject,
        sent: false,
        acknowledged: false,
        filled: 0,
      });
      this.#sendSoon();
    });
  }

  /** Fails all commands with `error`. What was sent cannot be taken back: a restart has to wait for it. */
  stop(error: unknown): void {
    this.#failure ??= { error };
    for (const flight of this.#flights.splice(0)) flight.reject(error);
    this.#reader.interrupt(error);
  }

  /** In step again: the programmer answers, and nothing else is on its way. */
  restart(): void {
    this.#failure = undefined;
  }

  /** Commands that are given one after the other go out together. */
  #sendSoon(): void {
    if (this.#sendingSoon) return;
    this.#sendingSoon = true;
    queueMicrotask(() => {
      this.#sendingSoon = false;
      this.#send();
    });
  }

  #send(): void {
    const batch: Flight[] = [];
    let ahead = 0;
    for (const flight of this.#flights) {
      const { length } = flight.command.bytes;
      if (!flight.sent) {
        if (ahead > 0 && ahead + length > this.#aheadBytes) break;
        flight.sent = true;
        batch.push(flight);
      }
      ahead += length;
    }
    const last = batch.at(-1);
    if (last === undefined) return;
    const bytes = concatBytes(batch.map(({ command }) => command.bytes));
    this.#transport.write(bytes, last.deadline).catch((error: unknown) => this.#failed(error));
    void this.#receive();
  }

  async #receive(): Promise<void> {
    if (this.#receiving) return;
    this.#receiving = true;
    try {
      for (let head = this.#flights[0]; head !== undefined; head = this.#flights[0])
        this.#take(await this.#reader.some(head.deadline));
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#receiving = false;
    }
  }

  #failed(error: unknown): void {
    if (this.#failure === undefined) this.stop(error);
  }

  #take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const head = this.#flights[0];
      if (head?.sent !== true) throw tooMuch(bytes.subarray(at));
      if (head.acknowledged) at += fill(head, bytes, at);
      else acknowledge(head, bytes[at++] as number);
      if (!head.acknowledged || head.filled < head.reply.length) continue;
      this.#flights.shift();
      head.resolve(head.reply);
    }
    this.#send();
  }
}

function fill(flight: Flight, bytes: Uint8Array, from: number): number {
  const count = Math.min(flight.reply.length - flight.filled, bytes.length - from);
  flight.reply.set(bytes.subarray(from, from + count), flight.filled);
  flight.filled += count;
  return count;
}

/** @throws BridgeError BRIDGE_PROTOCOL for anything but ACK */
function acknowledge(flight: Flight, byte: number): void {
  flight.acknowledged = byte === ACK;
  if (flight.acknowledged) return;
  const { opcode } = flight.command;
  const name = opcodeName(opcode);
  const details = { opcode, answer: byte };
  if (byte === NAK)
    throw new RefusedCommand("BRIDGE_PROTOCOL", `the programmer refuses ${name}`, {
      details,
      hint: "its firmware says that it knows this command: update the firmware",
    });
  const hex = byte.toString(16).padStart(2, "0");
  throw new BridgeError("BRIDGE_PROTOCOL", `the programmer answers ${name} with ${hex}`, {
    details,
    hint: "bytes were lost on the way: check the baud rate and that no other program uses the port",
  });
}

/** More came than was asked for: bytes are left from before, or were lost. */
function tooMuch(rest: Uint8Array): BridgeError {
  return new BridgeError("BRIDGE_PROTOCOL", "the programmer answers more than it was asked for", {
    details: { bytes: rest.length, first: Buffer.from(rest.subarray(0, 8)).toString("hex") },
  });
}
