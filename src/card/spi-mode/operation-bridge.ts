import type {
  BridgeCapabilities,
  CsLevel,
  ReceiveSegment,
  Segment,
  SpiBridge,
  Transaction,
  TransactionResult,
} from "../../spi/bridge.js";
import { cancelled } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import { concatBytes } from "../../util/bytes.js";
import type { Deadline } from "../../util/deadline.js";

type Operation = NonNullable<BridgeCapabilities["operation"]>;
type Reading = ReceiveSegment | Extract<Segment, { kind: "read" }>;

/** Read besides what is hinted at: whatever does not come within an operation is lost. */
const MARGIN_BYTES = 32;
const FIRST_POLL_BYTES = 64;
const MAX_POLL_BYTES = 1024;
/** The card drives MISO from the first clock on; that byte may still hold an edge. */
const LEAD = Uint8Array.of(0xff);

/**
 * Transactions for a bridge that raises CS behind every operation: write, read, done (`capabilities.operation`). Segments
 * that write, and those that read behind them, become one operation; clocks with CS high become ones in front of the next, and CS is low
 * for nothing else. A receive that does not end within its operation goes on in further ones if it is resumable; if not, the
 * transaction stops there, with its parser wanting more.
 */
export class OperationBridge implements SpiBridge {
  readonly #inner: SpiBridge;
  readonly #limits: Operation;
  /** Counts aborts: what was begun before one ends with it. */
  #generation = 0;

  constructor(inner: SpiBridge, limits: Operation) {
    this.#inner = inner;
    this.#limits = limits;
  }

  get capabilities(): BridgeCapabilities {
    return this.#inner.capabilities;
  }

  configure(settings: { readonly frequencyHz: number }): Promise<{ readonly frequencyHz: number }> {
    return this.#inner.configure(settings);
  }

  submit(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    const generation = this.#generation;
    const operate = async (write: Uint8Array, readLength: number): Promise<Uint8Array> => {
      if (generation !== this.#generation) throw cancelled(transaction.label, "aborted");
      const into = new Uint8Array(readLength);
      const segments: Segment[] = [
        { kind: "select" },
        ...(write.length > 0 ? [{ kind: "write", data: write } as const] : []),
        ...(readLength > 0 ? [{ kind: "read", into } as const] : []),
        { kind: "deselect" },
      ];
      await this.#inner.submit({ label: transaction.label, segments }, deadline);
      return into;
    };
    return new OperationRun(transaction, this.#limits, operate).run();
  }

  abort(deadline: Deadline): Promise<CsLevel> {
    this.#generation++;
    return this.#inner.abort(deadline);
  }

  close(): Promise<void> {
    this.#generation++;
    return this.#inner.close();
  }
}

type Operate = (write: Uint8Array, readLength: number) => Promise<Uint8Array>;

/** One transaction as it goes on. */
class OperationRun {
  readonly #segments: readonly Segment[];
  readonly #limits: Operation;
  readonly #operate: Operate;
  #pending: Uint8Array[] = [];
  /** Some of it was written, not only clocked. */
  #isWritten = false;
  /** CS would be high here. */
  #isHigh = false;

  constructor({ segments }: Transaction, limits: Operation, operate: Operate) {
    this.#segments = segments;
    this.#limits = limits;
    this.#operate = operate;
  }

  async run(): Promise<TransactionResult> {
    for (let index = 0; index < this.#segments.length; ) {
      const segment = this.#segments[index] as Segment;
      if (segment.kind === "read" || segment.kind === "receive") {
        const group = this.#readingFrom(index);
        const done = await this.#read(group);
        index += done;
        if (done < group.length) return { status: "stopped", segment: index };
      } else {
        await this.#take(segment);
        index++;
      }
    }
    if (!this.#isHigh) await this.#flush();
    return { status: "done", segment: this.#segments.length - 1 };
  }

  #readingFrom(index: number): Reading[] {
    const group: Reading[] = [];
    for (const segment of this.#segments.slice(index)) {
      if (segment.kind !== "read" && segment.kind !== "receive") break;
      group.push(segment);
    }
    return group;
  }

  async #take(segment: Exclude<Segment, Reading>): Promise<void> {
    if (segment.kind === "exchange") throw halfDuplex();
    if (segment.kind === "select" || segment.kind === "deselect") {
      if (this.#isWritten) await this.#flush();
      this.#isHigh = segment.kind === "deselect";
    } else if (segment.kind === "write") {
      this.#isWritten = true;
      this.#pending.push(segment.data);
    } else await this.#idle(segment.bytes);
  }

  async #idle(bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const used = this.#pending.reduce((sum, { length }) => sum + length, 0);
      const count = Math.min(left, Math.max(0, this.#limits.maxWriteBytes - used));
      this.#pending.push(new Uint8Array(count).fill(0xff));
      left -= count;
      if (left > 0) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const write = this.#takePending();
    if (write.length > 0) await this.#operate(write, 0);
  }

  #takePending(): Uint8Array {
    const write = concatBytes(this.#pending);
    this.#pending = [];
    this.#isWritten = false;
    return write;
  }

  /** Returns how many segments of the group are over. */
  async #read(group: readonly Reading[]): Promise<number> {
    const dealer = new Dealer(group);
    dealer.deal(await this.#operate(this.#takePending(), this.#window(group)));
    for (let most = FIRST_POLL_BYTES; dealer.goesOn; most = Math.min(most * 2, MAX_POLL_BYTES))
      dealer.deal(await this.#operate(LEAD, Math.min(most, this.#limits.maxReadBytes)));
    return dealer.done;
  }

  #window(group: readonly Reading[]): number {
    let bytes = 0;
    for (const segment of group) {
      if (segment.kind === "read") bytes += segment.into.length;
      else bytes += Math.max(segment.hint, segment.parser.atLeast);
    }
    const margin = group.some(({ kind }) => kind === "receive") ? MARGIN_BYTES : 0;
    return Math.min(bytes + margin, this.#limits.maxReadBytes);
  }
}

/** Hands what operations read to the segments that wait for it, in order. */
class Dealer {
  readonly #group: readonly Reading[];
  #done = 0;
  #taken = 0;

  constructor(group: readonly Reading[]) {
    this.#group = group;
  }

  get done(): number {
    return this.#done;
  }

  /** The segment at hand may be served by a further operation. */
  get goesOn(): boolean {
    const segment = this.#group[this.#done];
    if (segment?.kind !== "receive") return segment !== undefined;
    return segment.resumable === true && segment.parser.status === "more";
  }

  deal(bytes: Uint8Array): void {
    for (let at = 0; ; ) {
      const segment = this.#group[this.#done];
      if (segment === undefined) return;
      at += segment.kind === "read" ? this.#fill(segment, bytes, at) : push(segment, bytes, at);
      if (!this.#isOver(segment)) return;
      this.#done++;
      this.#taken = 0;
    }
  }

  #fill({ into }: Extract<Segment, { kind: "read" }>, bytes: Uint8Array, at: number): number {
    const some = bytes.subarray(at, at + into.length - this.#taken);
    into.set(some, this.#taken);
    this.#taken += some.length;
    return some.length;
  }

  #isOver(segment: Reading): boolean {
    if (segment.kind === "read") return this.#taken === segment.into.length;
    return segment.parser.status === "done";
  }
}

function push({ parser }: ReceiveSegment, bytes: Uint8Array, at: number): number {
  return parser.status === "more" ? parser.push(bytes, at, bytes.length) : 0;
}

function halfDuplex(): BridgeError {
  return new BridgeError("BRIDGE_UNSUPPORTED", "this adapter cannot send and receive at once", {
    hint: "use firmware with full duplex",
  });
}
