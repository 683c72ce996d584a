import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";
import { crc7, crc16 } from "../../../src/util/crc.js";

const BLOCK = 512;

export interface ScriptCardOptions {
  /** FF between command end and R1. */
  ncr?: number;
  /** FF before the first data token. */
  nac?: number;
  /** FF between blocks. */
  gap?: number;
  /** FF before a data response. */
  late?: number;
  /** Bytes of busy after block n of a write, CMD12, the stop token. */
  busy?: number | ((block: number) => number);
  /** The last byte of busy. */
  edge?: number;
  /** R1 instead of 00, by command (`"A41"` for ACMDs); `none` for silence. Once each if an array. */
  r1?: Record<string, number | "none" | (number | "none")[]>;
  /** Sent instead of the start token of block n. */
  token?: Record<number, number>;
  /** Blocks of a read whose CRC is spoilt. */
  badCrc?: readonly number[];
  /** Data response instead of 05 for block n; `none` for silence. */
  response?: Record<number, number | "none">;
  /** An open CMD25 takes the stop token only. */
  deafInWrite?: boolean;
  /** R2 bytes of successive CMD13s; then 00. */
  r2?: number[];
}

interface OpenWrite {
  readonly lba: number;
  readonly many: boolean;
  index: number;
  /** What has come of the running block. */
  bytes: number[] | undefined;
}

/** A small card in transfer state that says what it was told, and what was told wrongly. */
export class ScriptCard implements SpiDevice {
  readonly memory: Map<number, Uint8Array> = new Map();
  /** `CMD17 0x5`, `block 3`, `stop`, in the order of arrival. */
  readonly log: string[] = [];
  readonly violations: string[] = [];
  options: ScriptCardOptions;
  #cs: "high" | "low" = "high";
  readonly #out: OutQueue = new OutQueue();
  #busy = 0;
  #frame: number[] = [];
  #app = false;
  #stream: { lba: number; index: number } | undefined;
  #write: OpenWrite | undefined;
  /** FF seen on MOSI since something was last said by either side. */
  #quiet = 0;
  /** Bytes ignored after a stop token: NBR. */
  #nbr = 0;

  constructor(options: ScriptCardOptions = {}) {
    this.options = options;
  }

  block(lba: number): Uint8Array {
    const stored = this.memory.get(lba);
    return stored ?? Uint8Array.from({ length: BLOCK }, (_, at) => (lba * 7 + at * 3) & 0xff);
  }

  get transferring(): boolean {
    return this.#stream !== undefined || this.#write !== undefined;
  }

  setCs(level: "high" | "low"): void {
    if (level === "high" && this.#cs === "low") {
      if (this.#stream !== undefined) this.violations.push("CS raised in an open read");
      if (this.#write?.bytes !== undefined) this.violations.push("CS raised inside a block");
      this.#frame = [];
      this.#out.clear();
    }
    this.#cs = level;
    this.#quiet = 0;
  }

  peek(): number {
    if (this.#cs === "high") return 0xff;
    if (this.#nbr > 0) return 0xff;
    if (this.#out.pending) return this.#out.peek();
    if (this.#busy > 0) return this.#busy === 1 ? (this.options.edge ?? 0x00) : 0x00;
    this.#produce();
    return this.#out.peek();
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    _timing: ByteTiming,
  ): void {
    for (let at = 0; at < length; at++) {
      const out = this.peek();
      if (miso !== undefined) miso[at] = out;
      if (this.#cs === "low") this.#step(mosi?.[at] ?? 0xff, out);
      else {
        if ((mosi?.[at] ?? 0xff) !== 0xff) this.violations.push("MOSI low while CS high");
        // Programming goes on without CS.
        if (this.#busy > 0) this.#busy--;
      }
    }
  }

  #step(input: number, out: number): void {
    const talking = this.#out.pending;
    if (this.#nbr > 0) this.#nbr--;
    else if (talking) this.#out.shift();
    else if (this.#busy > 0) this.#busy--;
    this.#input(input, talking && this.#stream === undefined);
    this.#quiet = input === 0xff && out === 0xff ? this.#quiet + 1 : 0;
    if (input === 0xff && this.#nbr > 0) this.#quiet = 0;
  }

  #input(byte: number, talking: boolean): void {
    if (this.#write !== undefined && this.#frame.length === 0 && this.#takeWrite(byte)) return;
    if (this.#frame.length === 0) {
      if (byte === 0xff) return;
      if (talking) this.violations.push(`MOSI ${byte.toString(16)} while the card talks`);
      if ((byte & 0xc0) !== 0x40) {
        this.violations.push(`stray byte ${byte.toString(16)}`);
        return;
      }
      if (this.#quiet === 0 && this.#stream === undefined)
        this.violations.push("no FF before a command");
    }
    this.#frame.push(byte);
    if (this.#frame.length === 6) this.#command();
  }

  /** True if an open write has swallowed the byte. */
  #takeWrite(byte: number): boolean {
    const write = this.#write as OpenWrite;
    if (write.bytes !== undefined) {
      write.bytes.push(byte);
      if (write.bytes.length === BLOCK + 2) this.#finishBlock();
      return true;
    }
    if (byte === 0xff) return true;
    if (byte === 0x4c && !this.options.deafInWrite && write.many) return false;
    if (this.#busy > 0) {
      this.violations.push("spoken to while busy");
      return true;
    }
    if (this.#quiet === 0) this.violations.push("no FF before a token");
    if (byte === (write.many ? 0xfc : 0xfe)) write.bytes = [];
    else if (byte === 0xfd && write.many) this.#stopWrite();
    return true;
  }

  #stopWrite(): void {
    this.log.push("stop");
    this.#write = undefined;
    this.#nbr = 1;
    this.#busy = this.#busyAfter(-1);
  }

  #finishBlock(): void {
    const write = this.#write as OpenWrite;
    const bytes = Uint8Array.from(write.bytes as number[]);
    const good =
      crc16(bytes, 0, BLOCK) === (((bytes[BLOCK] as number) << 8) | (bytes[BLOCK + 1] as number));
    const verdict = this.options.response?.[write.index] ?? (good ? 0xe5 : 0xeb);
    this.log.push(`block ${write.lba + write.index}`);
    this.#out.ones(this.options.late ?? 0);
    if (verdict !== "none") {
      this.#out.push(Uint8Array.of(verdict));
      this.#busy = this.#busyAfter(write.index);
    }
    const accepted = verdict !== "none" && (verdict & 0x1f) === 0x05;
    if (accepted) this.memory.set(write.lba + write.index, bytes.slice(0, BLOCK));
    write.bytes = undefined;
    if (accepted) write.index++;
    if (!write.many) this.#write = undefined;
  }

  #busyAfter(block: number): number {
    const { busy } = this.options;
    return typeof busy === "function" ? busy(block) : (busy ?? 0);
  }

  #command(): void {
    const frame = Uint8Array.from(this.#frame);
    this.#frame = [];
    const index = (frame[0] as number) & 0x3f;
    const argument = new DataView(frame.buffer).getUint32(1);
    const name = `${this.#app ? "A" : ""}${index}`;
    if (this.#busy > 0) {
      this.violations.push(`CMD${name} while busy`);
      return;
    }
    this.log.push(`CMD${name}${argument === 0 ? "" : ` 0x${argument.toString(16)}`}`);
    const app = this.#app;
    this.#app = index === 55;
    if (((crc7(frame.subarray(0, 5)) << 1) | 1) !== frame[5]) this.#respond(0x08);
    else this.#execute(name, app ? index + 100 : index, argument);
  }

  #scripted(name: string): number | "none" | undefined {
    const entry = this.options.r1?.[name];
    return Array.isArray(entry) ? entry.shift() : entry;
  }

  #execute(name: string, index: number, argument: number): void {
    const r1 = this.#scripted(name);
    if (r1 === "none") return;
    if (index === 12) this.#stop(r1 ?? 0);
    else if (r1 !== undefined && r1 & 0x7c) this.#respond(r1);
    else this.#run(index, argument, r1 ?? 0);
  }

  #run(index: number, argument: number, r1: number): void {
    const answers: Record<number, () => void> = {
      8: () => this.#respond(r1, 0, 0, 1, argument & 0xff),
      13: () => this.#respond(r1, this.options.r2?.shift() ?? 0),
      58: () => this.#respond(r1, 0xc0, 0xff, 0x80, 0x00),
      9: () => this.#register(r1, 16),
      151: () => this.#register(r1, 8),
      17: () => this.#read(r1, argument),
      18: () => this.#open(r1, argument),
      24: () => this.#openWrite(r1, argument, false),
      25: () => this.#openWrite(r1, argument, true),
      38: () => {
        this.#respond(r1);
        this.#busy = this.#busyAfter(-1);
      },
    };
    (answers[index] ?? (() => this.#respond(r1)))();
  }

  #stop(r1: number): void {
    const open = this.transferring;
    this.#out.clear();
    this.#stream = undefined;
    this.#write = undefined;
    this.#out.push(Uint8Array.of(0x3f));
    this.#respond(open ? r1 : 0x04);
    if (open) this.#busy = this.#busyAfter(-1);
  }

  #respond(...bytes: number[]): void {
    this.#out.ones(this.options.ncr ?? 1);
    this.#out.push(Uint8Array.from(bytes));
  }

  #register(r1: number, length: number): void {
    this.#respond(r1);
    this.#out.ones(this.options.nac ?? 0);
    this.#data(
      Uint8Array.from({ length }, (_, at) => at * 5 + 1),
      0,
    );
  }

  #read(r1: number, lba: number): void {
    this.#respond(r1);
    this.#out.ones(this.options.nac ?? 0);
    this.#data(this.block(lba), 0);
  }

  #open(r1: number, lba: number): void {
    this.#respond(r1);
    this.#out.ones(this.options.nac ?? 0);
    this.#stream = { lba, index: 0 };
  }

  #openWrite(r1: number, lba: number, many: boolean): void {
    this.#respond(r1);
    this.#write = { lba, index: 0, many, bytes: undefined };
  }

  /** The next block of an open read. */
  #produce(): void {
    if (this.#stream === undefined) return;
    const { lba, index } = this.#stream;
    if (index > 0) this.#out.ones(this.options.gap ?? 0);
    this.#data(this.block(lba + index), index);
    this.#stream.index++;
  }

  #data(data: Uint8Array, index: number): void {
    const token = this.options.token?.[index];
    if (token !== undefined) {
      this.#out.push(Uint8Array.of(token));
      return;
    }
    const crc = crc16(data) ^ (this.options.badCrc?.includes(index) ? 0x0100 : 0);
    this.#out.push(Uint8Array.of(0xfe, ...data, crc >> 8, crc & 0xff));
  }
}

/** What the card is going to say. */
class OutQueue {
  #chunks: Uint8Array[] = [];
  #at = 0;

  get pending(): boolean {
    return this.#chunks.length > 0;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#chunks.push(bytes);
  }

  ones(count: number): void {
    this.push(new Uint8Array(count).fill(0xff));
  }

  peek(): number {
    return this.#chunks[0]?.[this.#at] ?? 0xff;
  }

  shift(): void {
    this.#at++;
    if (this.#at < (this.#chunks[0]?.length ?? 0)) return;
    this.#chunks.shift();
    this.#at = 0;
  }

  clear(): void {
    this.#chunks = [];
    this.#at = 0;
  }
}
