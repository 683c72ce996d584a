import type {
  CardBus,
  CardBusCapabilities,
  CardCommand,
  CardResponse,
  ReceiveRequest,
  RecoveryReport,
  SendRequest,
  TransferResult,
} from "../../src/spi/card-bus.js";
import { CardError } from "../../src/spi/errors.js";
import type { ErrorCode, ErrorDetails } from "../../src/util/errors.js";
import { ManualClock } from "./direct-bridge.js";
import { FakeCardModel, nameOf } from "./fake-card-model.js";
import type { FakeCard } from "./fake-cards.js";

const IDLE = 0x01;
const CRC = 0x08;
const ERASE = 38;
const NOTHING = new Uint8Array(0);

export type FakeOp =
  | "command"
  | "probe"
  | "receive"
  | "send"
  | "wait"
  | "startUp"
  | "configure"
  | "recover"
  | "release"
  | "close";

export interface FakeCall {
  readonly op: FakeOp;
  /** `CMD17`, `ACMD41`; of other operations their own name. */
  readonly name: string;
  readonly argument: number;
  readonly blocks: number;
}

/** What a rule makes of a call instead of what the card would do. */
export type FakeOutcome =
  | { readonly r1: number; readonly extra?: readonly number[] }
  | {
      readonly fail: ErrorCode;
      /** Blocks that are moved before it fails. */
      readonly blocksDone?: number;
      readonly details?: ErrorDetails;
      /** Default true: the bus could end the transfer. */
      readonly stateKnown?: boolean;
    }
  | { readonly recovery: RecoveryReport["outcome"] }
  | { readonly bytes: Uint8Array }
  | { readonly throw: Error };

export interface FakeRule {
  readonly on: string;
  /** Calls of that name to let pass first. */
  readonly skip?: number;
  /** Calls that it holds for; default 1. */
  readonly times?: number;
  /** Only at this clock or above, in Hz. */
  readonly aboveHz?: number;
  readonly give: FakeOutcome | ((call: FakeCall) => FakeOutcome | undefined);
  /** Runs beforehand: to change the card in the middle. */
  readonly before?: (bus: FakeCardBus) => void;
}

interface LiveRule extends FakeRule {
  seen: number;
  used: number;
}

/** A card at the level of commands: no bytes, no tokens. Refuses what the specification forbids; rules make it fail. */
export class FakeCardBus implements CardBus {
  readonly clock: ManualClock;
  readonly calls: FakeCall[] = [];
  readonly model: FakeCardModel;
  capabilities: CardBusCapabilities = {
    maxBlocks: Number.POSITIVE_INFINITY,
    minFrequencyHz: 1000,
    maxFrequencyHz: 30_000_000,
    hardwareWait: false,
  };
  stateKnown = true;
  closed = false;
  frequencyHz = 0;
  /** Duration of each call, in µs. */
  callUs = 100;
  eraseUs = 1000;
  #rules: LiveRule[] = [];

  constructor(card: FakeCard, clock: ManualClock = new ManualClock()) {
    this.model = new FakeCardModel(card);
    this.clock = clock;
  }

  rule(...rules: readonly FakeRule[]): this {
    this.#rules.push(...rules.map((rule) => ({ ...rule, seen: 0, used: 0 })));
    return this;
  }

  /** The card behaves from now on. */
  noRules(): void {
    this.#rules = [];
  }

  /** `CMD17`, ... in order; data commands as `CMD18@2048x8`. */
  get names(): string[] {
    return this.calls.map(({ name, op, argument, blocks }) =>
      op === "receive" || op === "send" ? `${name}@${argument}x${blocks}` : name,
    );
  }

  get memory(): Map<number, Uint8Array> {
    return this.model.memory;
  }

  /** Forgets the calls so far. */
  forget(): this {
    this.calls.length = 0;
    return this;
  }

  /** As if the card were taken out and put back (or another one). */
  replug(card: FakeCard = this.model.card): void {
    this.model.card = card;
    this.model.powerCycle();
  }

  async configure({ frequencyHz }: { readonly frequencyHz: number }): Promise<{
    readonly frequencyHz: number;
  }> {
    this.#plain("configure", frequencyHz);
    this.frequencyHz = Math.min(frequencyHz, this.capabilities.maxFrequencyHz);
    return { frequencyHz: this.frequencyHz };
  }

  async startUp(bytes: number): Promise<void> {
    this.#plain("startUp", bytes);
  }

  async command(command: CardCommand): Promise<CardResponse> {
    return this.#command("command", command);
  }

  async probeCrc(command: CardCommand): Promise<CardResponse> {
    const given = this.#note({ ...callOf("probe", command), name: "probe" });
    if (given !== undefined) return this.#answer(given);
    if (this.model.crcOn && this.model.card.crc !== "unchecked") return { r1: CRC, extra: NOTHING };
    return this.#execute(command);
  }

  async receive(request: ReceiveRequest): Promise<TransferResult> {
    const call = { ...callOf("receive", request.command), blocks: request.blockCount };
    const given = this.#note(call);
    if (given !== undefined && "bytes" in given) {
      request.into.set(given.bytes);
      return { r1: 0, blocksDone: 1 };
    }
    const done = this.#failing(given)?.blocksDone ?? request.blockCount;
    this.#checkData(call, request.openEnded);
    this.model.read(call.name, call.argument, request.into, done);
    this.#finish(given, call.name);
    return { r1: 0, blocksDone: done };
  }

  async send(request: SendRequest): Promise<TransferResult> {
    const blocks = request.data.length / request.blockLength;
    const call = { ...callOf("send", request.command), blocks };
    const given = this.#note(call);
    const done = this.#failing(given)?.blocksDone ?? (given === undefined ? blocks : 0);
    this.#checkData(call, request.openEnded);
    this.model.write(call.argument, request.data, done);
    this.#finish(given, call.name);
    return { r1: 0, blocksDone: done };
  }

  async wait(): Promise<void> {
    this.#plain("wait");
  }

  async release(): Promise<void> {
    this.#plain("release");
  }

  async recover(): Promise<RecoveryReport> {
    const given = this.#note({ op: "recover", name: "recover", argument: 0, blocks: 0 });
    this.#finish(given !== undefined && "throw" in given ? given : undefined, "recover");
    const outcome =
      given !== undefined && "recovery" in given ? given.recovery : this.#naturalRecovery();
    this.stateKnown = outcome === "ready";
    return { outcome, steps: ["bridge", "probe"], bytesClocked: 1800, waitBytes: 0 };
  }

  preempt(): CardBus {
    return this;
  }

  async close(): Promise<void> {
    this.#plain("close");
    this.closed = true;
  }

  #plain(op: FakeOp, argument = 0): void {
    this.#finish(this.#note({ op, name: op, argument, blocks: 0 }), op);
  }

  #checkData({ name, blocks }: FakeCall, openEnded: boolean): void {
    if (!this.model.hears(Number.NaN)) throw this.#silence(name);
    this.model.checkData(name);
    if (openEnded !== blocks > 1) throw new Error(`${name}: openEnded does not fit the blocks`);
  }

  #naturalRecovery(): RecoveryReport["outcome"] {
    if (!this.model.hears(Number.NaN)) return "silent";
    return this.model.state === "idle" ? "reinitialise" : "ready";
  }

  #command(op: "command" | "probe", command: CardCommand): CardResponse {
    const given = this.#note(callOf(op, command));
    if (given !== undefined) return this.#answer(given);
    return this.#execute(command);
  }

  #answer(given: FakeOutcome): CardResponse {
    if ("r1" in given) return { r1: given.r1, extra: Uint8Array.from(given.extra ?? []) };
    this.#finish(given, "command");
    throw new Error("this outcome is none for a command");
  }

  #execute(command: CardCommand): CardResponse {
    if (!this.model.hears(command.index)) throw this.#silence(command.index);
    if (command.index === ERASE) this.clock.advance(this.eraseUs);
    const { r1, extra = [] } = this.model.run(command);
    if (command.index === 0 && r1 === IDLE) this.stateKnown = true;
    return { r1, extra: Uint8Array.from(extra) };
  }

  #note(call: FakeCall): FakeOutcome | undefined {
    if (this.closed) throw new Error(`${call.name} on a closed bus`);
    this.calls.push(call);
    this.clock.advance(this.callUs);
    const matching = this.#rules.filter(
      (rule) => rule.on === call.name && this.frequencyHz >= (rule.aboveHz ?? 0),
    );
    for (const rule of matching) rule.seen++;
    for (const rule of matching) {
      if (rule.seen <= (rule.skip ?? 0) || rule.used >= (rule.times ?? 1)) continue;
      rule.used++;
      rule.before?.(this);
      const give = typeof rule.give === "function" ? rule.give(call) : rule.give;
      if (give !== undefined) return give;
    }
    return undefined;
  }

  #failing(
    given: FakeOutcome | undefined,
  ): Extract<FakeOutcome, { readonly fail: ErrorCode }> | undefined {
    return given !== undefined && "fail" in given ? given : undefined;
  }

  #finish(given: FakeOutcome | undefined, name: string): void {
    if (given === undefined) return;
    if ("throw" in given) {
      this.stateKnown = false;
      throw given.throw;
    }
    if (!("fail" in given)) throw new Error(`this outcome is none for ${name}`);
    this.stateKnown = given.stateKnown ?? true;
    throw new CardError(given.fail, `${name} failed`, {
      details: { blocksDone: given.blocksDone ?? 0, ...given.details },
    });
  }

  #silence(name: string | number): CardError {
    this.stateKnown = false;
    return new CardError("CARD_NO_RESPONSE", `the card does not answer ${name}`);
  }
}

function callOf(op: FakeOp, command: CardCommand): FakeCall {
  return { op, name: nameOf(command), argument: command.argument, blocks: 0 };
}
