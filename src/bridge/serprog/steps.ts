import type { CsPin } from "../../spi/cs-trail.js";
import { BridgeError } from "../../spi/errors.js";
import type { BusOp, PlannerStep } from "../../spi/plan.js";
import { CS_MODE, encodeCommand, encodeSpiOperation, type SerprogCommand } from "./codec.js";

/** A command, and which stretches of its reply the step asked for. */
export interface StepCommand {
  readonly command: SerprogCommand;
  /** Where it puts CS. */
  readonly level?: CsPin;
  readonly wanted: readonly Stretch[];
}

interface Stretch {
  readonly from: number;
  readonly to: number;
}

export function encodeCsMode(level: CsPin): SerprogCommand {
  return encodeCommand("setCsMode", level === "low" ? CS_MODE.selected : CS_MODE.deselected);
}

/**
 * A step for a programmer with full duplex and CS hold: whatever is clocked between two changes of CS is one stream, cut into operations
 * of at most `maxBytes`, each as long out as back.
 * @param cs where CS is before the step
 */
export function encodeFullDuplex(
  ops: readonly BusOp[],
  maxBytes: number,
  cs: CsPin,
): StepCommand[] {
  const stream = new ExchangeStream(maxBytes);
  let level = cs;
  for (const op of ops) {
    if (op.kind !== "cs") stream.put(op);
    else if (op.level !== level) {
      level = op.level;
      stream.changeCs(level);
    }
  }
  return stream.finish();
}

class ExchangeStream {
  readonly #commands: StepCommand[] = [];
  readonly #maxBytes: number;
  #mosi: Uint8Array;
  #length = 0;
  #wanted: Stretch[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#mosi = new Uint8Array(maxBytes).fill(0xff);
  }

  /** @throws BridgeError BRIDGE_UNSUPPORTED for a wait in hardware, which no serprog programmer has */
  put(op: Exclude<BusOp, { kind: "cs" }>): void {
    if (op.kind === "write") this.#clock(op.data, op.data.length, false);
    else if (op.kind === "exchange") this.#clock(op.data, op.data.length, true);
    else if (op.kind === "read") this.#clock(undefined, op.length, true);
    else if (op.kind === "idle") this.#clock(undefined, op.bytes, false);
    else throw unsupported("wait for the card by itself");
  }

  changeCs(level: CsPin): void {
    this.#flush();
    this.#commands.push({ command: encodeCsMode(level), level, wanted: [] });
  }

  finish(): StepCommand[] {
    this.#flush();
    return this.#commands;
  }

  #clock(data: Uint8Array | undefined, length: number, isWanted: boolean): void {
    for (let done = 0; done < length; ) {
      const from = this.#length;
      const count = Math.min(length - done, this.#maxBytes - from);
      if (data !== undefined) this.#mosi.set(data.subarray(done, done + count), from);
      if (isWanted) this.#wanted.push({ from, to: from + count });
      this.#length += count;
      done += count;
      if (this.#length === this.#maxBytes) this.#flush();
    }
  }

  #flush(): void {
    const length = this.#length;
    if (length === 0) return;
    const command = encodeSpiOperation(this.#mosi.subarray(0, length), length);
    this.#commands.push({ command, wanted: this.#wanted });
    this.#mosi.fill(0xff);
    this.#length = 0;
    this.#wanted = [];
  }
}

/** Bytes of each half of an operation. */
export interface OperationLimits {
  readonly maxWriteBytes: number;
  readonly maxReadBytes: number;
}

/**
 * A step for a half-duplex programmer, which lowers CS by itself, writes, reads, and raises it: the step must be just that.
 * @throws BridgeError BRIDGE_UNSUPPORTED if it is not, or is too long
 */
export function encodeHalfDuplex(ops: readonly BusOp[], limits: OperationLimits): StepCommand[] {
  const [first, ...rest] = ops;
  const last = rest.pop();
  if (first === undefined) return [];
  // It is there already, and needs no telling.
  if (last === undefined && first.kind === "cs" && first.level === "high") return [];
  const isFramed =
    first.kind === "cs" && first.level === "low" && last?.kind === "cs" && last.level === "high";
  const [write, read] = rest[0]?.kind === "write" ? rest : [undefined, ...rest];
  const data = write?.kind === "write" ? write.data : new Uint8Array(0);
  const length = read?.kind === "read" ? read.length : 0;
  const used = (write === undefined ? 0 : 1) + (read?.kind === "read" ? 1 : 0);
  if (!isFramed || used !== rest.length)
    throw unsupported("do more at a time than write and then read with chip select low");
  if (data.length > limits.maxWriteBytes || length > limits.maxReadBytes)
    throw unsupported(`write ${data.length} and read ${length} bytes in one operation`);
  return [{ command: encodeSpiOperation(data, length), wanted: [{ from: 0, to: length }] }];
}

function unsupported(what: string): BridgeError {
  return new BridgeError("BRIDGE_UNSUPPORTED", `this serprog programmer cannot ${what}`, {
    hint: "use firmware with S_SPI_MODE and S_CS_MODE (opcodes 0x17 and 0x18)",
  });
}

/** Puts together what a step asked for from the replies of its commands. */
export function collectReply(
  step: PlannerStep,
  commands: readonly StepCommand[],
  replies: readonly Uint8Array[],
): Uint8Array {
  const reply = new Uint8Array(step.replyBytes);
  let at = 0;
  commands.forEach(({ wanted }, index) => {
    for (const { from, to } of wanted) {
      reply.set((replies[index] as Uint8Array).subarray(from, to), at);
      at += to - from;
    }
  });
  return reply;
}
