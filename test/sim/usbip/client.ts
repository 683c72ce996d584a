import { connect, type Socket } from "node:net";
import type { UsbControlSetup } from "../../../src/transport/types.js";
import { concatBytes, viewOf } from "../../../src/util/bytes.js";

/** A URB as a kernel would send it. */
export interface Submit {
  readonly seqnum: number;
  readonly devid: number;
  readonly direction: 0 | 1;
  readonly endpoint: number;
  readonly length: number;
  readonly setup?: Uint8Array;
  readonly data?: Uint8Array;
  readonly packets?: number;
}

export function opImport(busid: string): Uint8Array {
  const out = new Uint8Array(40);
  out.set([0x01, 0x11, 0x80, 0x03]);
  out.set(Buffer.from(busid), 8);
  return out;
}

export const OP_DEVLIST: Uint8Array = Uint8Array.of(0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0);

export function cmdSubmit(submit: Submit): Uint8Array {
  const head = new Uint8Array(48);
  const view = viewOf(head);
  view.setUint32(0, 1);
  view.setUint32(4, submit.seqnum);
  view.setUint32(8, submit.devid);
  view.setUint32(12, submit.direction);
  view.setUint32(16, submit.endpoint);
  view.setUint32(24, submit.length);
  view.setUint32(32, submit.packets ?? 0);
  head.set(submit.setup ?? new Uint8Array(8), 40);
  return concatBytes([head, submit.data ?? new Uint8Array(0)]);
}

export function cmdUnlink(seqnum: number, devid: number, victim: number): Uint8Array {
  const head = new Uint8Array(48);
  const view = viewOf(head);
  view.setUint32(0, 2);
  view.setUint32(4, seqnum);
  view.setUint32(8, devid);
  view.setUint32(20, victim);
  return head;
}

export function setupBytes(setup: UsbControlSetup, length: number): Uint8Array {
  const out = new Uint8Array(8);
  const view = viewOf(out);
  out.set([setup.requestType, setup.request]);
  view.setUint16(2, setup.value, true);
  view.setUint16(4, setup.index, true);
  view.setUint16(6, length, true);
  return out;
}

/** An answer of the server to a URB command. */
export interface Reply {
  readonly kind: "submitted" | "unlinked";
  readonly seqnum: number;
  readonly status: number;
  readonly actual: number;
  readonly data: Uint8Array;
}

const HEADER = 48;

/** The host's side of one connection, with as little sense as possible: what the kernel would check, the tests check. */
export class UsbipClient {
  readonly socket: Socket;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  readonly replies: Reply[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  /** Direction of each submit, to know whether data follow an answer. */
  readonly #ins = new Set<number>();
  #urbs = false;
  #seqnum = 1;
  #changed: () => void = () => undefined;
  #over = false;
  devid = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Uint8Array) => {
      this.#bytes = concatBytes([this.#bytes, chunk]);
      if (this.#urbs) this.#parse();
      this.#changed();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#over = true;
        this.#changed();
        resolve();
      });
    });
  }

  static async connect(port: number): Promise<UsbipClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const client = new UsbipClient(socket);
    await new Promise((resolve) => socket.once("connect", resolve));
    return client;
  }

  /** Imports a device; the 320 bytes of the answer, or the 8 of a refusal. */
  async import(busid: string): Promise<Uint8Array> {
    this.socket.write(opImport(busid));
    await this.#until(() => this.#bytes.length >= 8);
    const view = viewOf(this.#bytes);
    if (view.getUint32(4) !== 0) return this.#bytes;
    await this.#until(() => this.#bytes.length >= 320);
    const answer = this.#bytes.slice(0, 320);
    this.#bytes = this.#bytes.slice(320);
    this.devid = viewOf(answer).getUint32(296) * 0x1_0000 + viewOf(answer).getUint32(300);
    this.#urbs = true;
    return answer;
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<Uint8Array> {
    await this.closed;
    return this.#bytes;
  }

  get nextSeqnum(): number {
    return this.#seqnum++;
  }

  /** Sends a URB; the number that its answer will have. */
  submit(endpoint: number, length: number, data?: Uint8Array, setup?: Uint8Array): number {
    const seqnum = this.nextSeqnum;
    const isIn = endpoint >= 0x80;
    if (isIn) this.#ins.add(seqnum);
    this.socket.write(
      cmdSubmit({
        seqnum,
        devid: this.devid,
        direction: isIn ? 1 : 0,
        endpoint: endpoint & 0x7f,
        length,
        ...(data === undefined ? {} : { data }),
        ...(setup === undefined ? {} : { setup }),
      }),
    );
    return seqnum;
  }

  unlink(victim: number): number {
    const seqnum = this.nextSeqnum;
    this.socket.write(cmdUnlink(seqnum, this.devid, victim));
    return seqnum;
  }

  async reply(seqnum: number): Promise<Reply> {
    await this.#until(() => this.replies.some((reply) => reply.seqnum === seqnum));
    return this.replies.find((reply) => reply.seqnum === seqnum) as Reply;
  }

  async out(endpoint: number, data: Uint8Array): Promise<Reply> {
    return this.reply(this.submit(endpoint, data.length, data));
  }

  async in(endpoint: number, length: number): Promise<Reply> {
    return this.reply(this.submit(endpoint, length));
  }

  async controlIn(setup: UsbControlSetup, length: number): Promise<Reply> {
    return this.reply(this.submit(0x80, length, undefined, setupBytes(setup, length)));
  }

  async controlOut(setup: UsbControlSetup, data: Uint8Array = new Uint8Array(0)): Promise<Reply> {
    return this.reply(this.submit(0, data.length, data, setupBytes(setup, data.length)));
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #parse(): void {
    for (;;) {
      if (this.#bytes.length < HEADER) return;
      const view = viewOf(this.#bytes);
      const [command, seqnum] = [view.getUint32(0), view.getUint32(4)];
      const submitted = command === 3;
      if (!submitted && command !== 4) throw new Error(`an answer of kind ${command}`);
      const actual = view.getUint32(24);
      const size = HEADER + (submitted && this.#ins.has(seqnum) ? actual : 0);
      if (this.#bytes.length < size) return;
      const kind = submitted ? "submitted" : "unlinked";
      const data = this.#bytes.slice(HEADER, size);
      this.replies.push({ kind, seqnum, status: view.getInt32(20), actual, data });
      this.#bytes = this.#bytes.slice(size);
    }
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#over) throw new Error("the connection is over");
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
      // What was parsed together is seen together.
      await Promise.resolve();
    }
  }
}
