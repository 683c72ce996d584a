import type { CardBus, CardResponse } from "../spi/card-bus.js";
import { CardError } from "../spi/errors.js";
import type { Clock } from "../util/clock.js";
import { type Deadline, deadlineIn, earlier } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";
import type { Log } from "../util/log.js";
import { buildCommand, COMMANDS, type CommandName } from "./commands.js";
import { HINT } from "./errors.js";
import { describeR1, R1 } from "./r1.js";
import type { CardStatus } from "./status.js";
import { TIMING } from "./timing.js";

/** Times that a command or a register is asked for again because of a CRC error. */
const CRC_TRIES = 3;
/** The clock is not stepped below this; noise at 100 kHz is not cured by going slower. */
const LOWEST_HZ = 100_000;

/** What went wrong on the bus since the card was opened. */
export interface LineCounters {
  crcErrors: number;
  clockStepsDown: number;
  recoveries: number;
}

/** A card bus with names for commands, resends after CRC errors, and the clock that is set. */
export class CardLine {
  readonly bus: CardBus;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: LineCounters = { crcErrors: 0, clockStepsDown: 0, recoveries: 0 };
  #frequencyHz = LOWEST_HZ;

  constructor(bus: CardBus, clock: Clock, log: Log) {
    this.bus = bus;
    this.clock = clock;
    this.log = log;
  }

  /** The line of whoever takes the bus away from this one's user. */
  preempt(): CardLine {
    const next = new CardLine(this.bus.preempt(), this.clock, this.log);
    next.#frequencyHz = this.#frequencyHz;
    Object.assign(next.counters, this.counters);
    return next;
  }

  /** What the bridge really clocks, in Hz. */
  get frequencyHz(): number {
    return this.#frequencyHz;
  }

  /** Bytes a second that clock and adapter move at most. */
  get bytesPerSecond(): number {
    return Math.min(this.#frequencyHz / 8, this.bus.capabilities.bytesPerSecond ?? Infinity);
  }

  /** `deadline`, or `ms` from now if that is earlier. */
  within(deadline: Deadline, ms: number): Deadline {
    return earlier(deadline, deadlineIn(this.clock, ms));
  }

  async setFrequency(hz: number): Promise<void> {
    const { minFrequencyHz, maxFrequencyHz } = this.bus.capabilities;
    const wanted = Math.min(maxFrequencyHz, Math.max(minFrequencyHz, hz));
    this.#frequencyHz = (await this.bus.configure({ frequencyHz: wanted })).frequencyHz;
    this.log.debug({ wanted, frequencyHz: this.#frequencyHz }, "clock set");
  }

  /** Halves the clock; false if it cannot be lower. */
  async stepDown(): Promise<boolean> {
    const before = this.#frequencyHz;
    const floor = Math.max(this.bus.capabilities.minFrequencyHz, LOWEST_HZ);
    if (before <= floor) return false;
    await this.setFrequency(Math.max(floor, Math.floor(before / 2)));
    this.counters.clockStepsDown++;
    this.log.warn({ fromHz: before, toHz: this.#frequencyHz }, "clock stepped down");
    return this.#frequencyHz < before;
  }

  /**
   * One command, sent again while the card reports a CRC error; other bits of R1 are the caller's.
   * @throws CardError CARD_CRC after three tries; what the bus throws
   */
  async command(name: CommandName, argument: number, deadline: Deadline): Promise<CardResponse> {
    const command = buildCommand(name, argument);
    for (let tries = 1; ; tries++) {
      const response = await this.bus.command(command, this.within(deadline, TIMING.responseMs));
      if (!(response.r1 & R1.crcError)) return response;
      this.counters.crcErrors++;
      if (tries === CRC_TRIES) throw commandCrc(name, response.r1);
    }
  }

  /** @throws CardError CARD_ERROR if R1 is anything but `expected` (bits in `ignore` apart) */
  async expect(
    name: CommandName,
    argument: number,
    deadline: Deadline,
    { expected = 0, ignore = R1.eraseReset }: { expected?: number; ignore?: number } = {},
  ): Promise<CardResponse> {
    const response = await this.command(name, argument, deadline);
    if ((response.r1 & ~ignore) === expected) return response;
    throw refused(name, response.r1);
  }

  /** CMD13. The first status after trouble shows the old trouble, and clears it. */
  async status(deadline: Deadline): Promise<CardStatus> {
    const { r1, extra } = await this.command("CMD13_SEND_STATUS", 0, deadline);
    return { r1, r2: extra[0] ?? 0 };
  }

  /**
   * A register that comes as a data block, asked for again after a CRC error.
   * @throws CardError CARD_CRC after three tries; what the bus throws
   */
  async register(name: CommandName, deadline: Deadline): Promise<Uint8Array> {
    const length = COMMANDS[name].data?.length;
    const into = new Uint8Array(typeof length === "number" ? length : 0);
    const request = {
      command: buildCommand(name),
      blockLength: into.length,
      blockCount: 1,
      into,
      openEnded: false,
    };
    for (let tries = 1; ; tries++) {
      try {
        await this.bus.receive(request, this.within(deadline, TIMING.registerMs));
        return into;
      } catch (error) {
        if (errorCode(error) !== "CARD_CRC") throw error;
        this.counters.crcErrors++;
        if (tries === CRC_TRIES || !this.bus.stateKnown) throw error;
      }
    }
  }
}

/** R1 bits that the flow of commands cannot go on with. */
export function refused(name: CommandName, r1: number): CardError {
  return new CardError("CARD_ERROR", `the card answers ${shortName(name)} with ${describeR1(r1)}`, {
    details: { command: name, r1 },
    hint: HINT.powerCycle,
  });
}

function commandCrc(name: CommandName, r1: number): CardError {
  return new CardError(
    "CARD_CRC",
    `the card finds CRC errors in ${shortName(name)}: ${describeR1(r1)}`,
    { details: { command: name, r1, tries: CRC_TRIES }, hint: HINT.wiring },
  );
}

/** `CMD17` of `CMD17_READ_SINGLE_BLOCK`. */
export function shortName(name: CommandName): string {
  return name.slice(0, name.indexOf("_"));
}
