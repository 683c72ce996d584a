import type { Segment } from "../../spi/bridge.js";
import type { CardCommand, CardResponse } from "../../spi/card-bus.js";
import { noResponse, stillBusy } from "../../spi/card-errors.js";
import type { Deadline } from "../../util/deadline.js";
import { R1, R1_ERRORS } from "../r1.js";
import { type CardLink, isDeadline } from "./card-link.js";
import { COMMAND_BYTES, commandName, encodeCommand, spoilCrc7 } from "./frame.js";
import { ResponseParser } from "./response-parser.js";

const APP_CMD = 55;
const GO_IDLE = 0;
const STOP_TRANSMISSION = 12;

/** Bytes clocked at once for a busy that mostly is none. */
const READY_HINT = 2;

export interface CommandOptions {
  readonly wrongCrc?: boolean;
  /** R1 bits with which what follows in the transaction is not run. */
  readonly refuse?: number;
}

/** Sends commands, takes responses. */
export class Commander {
  readonly response: ResponseParser = new ResponseParser();
  readonly #link: CardLink;
  readonly #frame = new Uint8Array(1 + COMMAND_BYTES).fill(0xff);
  #resets = 0;

  constructor(link: CardLink) {
    this.#link = link;
  }

  /** A command in a CS frame of its own; an ACMD behind its CMD55. */
  async command(
    command: CardCommand,
    deadline: Deadline,
    options: CommandOptions = {},
  ): Promise<CardResponse> {
    const refused = await this.announce(command, deadline);
    if (refused !== undefined) return refused;
    const segments = this.segments(command, options);
    if (command.response === "R1b") segments.push(this.#link.awaitReady(this.#link.busyHint()));
    const r1 = await this.transact(command, segments, deadline);
    return { r1, extra: this.response.extra };
  }

  /** CMD55 before an ACMD; its response if the card refuses it. */
  async announce(command: CardCommand, deadline: Deadline): Promise<CardResponse | undefined> {
    if (!command.app) return undefined;
    const app: CardCommand = { index: APP_CMD, argument: 0, response: "R1" };
    const segments = this.segments(app);
    // Some cards are busy for a moment (sd-driver #48).
    segments.push(this.#link.awaitReady(READY_HINT));
    const r1 = await this.transact(app, segments, deadline);
    return r1 & R1_ERRORS ? { r1, extra: this.response.extra } : undefined;
  }

  /** CS frame, command, response: the beginning of any transaction. */
  segments(command: CardCommand, options: CommandOptions = {}): Segment[] {
    encodeCommand(this.#frame, 1, command);
    if (options.wrongCrc) spoilCrc7(this.#frame, 1);
    const refuse = options.refuse ?? 0;
    const parser = this.response.expect(command.response, { refuse });
    return [
      ...this.#link.open(),
      { kind: "write", data: this.#frame.subarray(this.#lead(command)) },
      { kind: "receive", parser, hint: this.#hint() + parser.tailBytes },
    ];
  }

  /** CMD12 within the CS frame of the transfer it ends, busy awaited; its R1 is undefined if none came. */
  async stop(deadline: Deadline): Promise<number | undefined> {
    const command = { index: STOP_TRANSMISSION, argument: 0, response: "R1b" } as const;
    encodeCommand(this.#frame, 1, command);
    const parser = this.response.expect("R1b", { skip: 1 });
    const segments: Segment[] = [
      { kind: "write", data: this.#frame },
      { kind: "receive", parser, hint: this.#hint() + 1 },
      this.#link.awaitReady(this.#link.busyHint()),
    ];
    await this.#run("CMD12", segments, deadline);
    return this.response.r1;
  }

  /** Runs a transaction that begins with {@link segments}; returns R1. @throws CardError CARD_NO_RESPONSE, CARD_BUSY */
  async transact(
    command: CardCommand,
    segments: readonly Segment[],
    deadline: Deadline,
  ): Promise<number> {
    const name = commandName(command);
    await this.#run(name, segments, deadline);
    const { r1 } = this.response;
    if (r1 === undefined) {
      this.#link.stateKnown = false;
      throw noResponse(name);
    }
    this.#link.estimates.response.observe(this.response.responseBytes);
    if (command.index === GO_IDLE && r1 === R1.idle) {
      this.#link.stateKnown = true;
      this.#link.doing = "nothing";
    }
    return r1;
  }

  async #run(name: string, segments: readonly Segment[], deadline: Deadline): Promise<void> {
    try {
      await this.#link.run({ label: name, segments }, deadline);
    } catch (error) {
      throw isDeadline(error) ? this.#late(name, segments, error) : error;
    }
  }

  /** A deadline that passed: at busy, or at whatever the caller of the transaction knows better. */
  #late(name: string, segments: readonly Segment[], error: unknown): unknown {
    const { busy } = this.#link;
    const awaited = segments.some((segment) => "parser" in segment && segment.parser === busy);
    const answered = this.response.status === "done";
    return awaited && answered && busy.status === "more" ? stillBusy(name, error) : error;
  }

  #hint(): number {
    return this.#link.estimates.response.best(this.#link.roundTripBytes);
  }

  /** Some cards need a byte with CS low before CMD0, some hang on it (SdFat #384): every second one goes without. */
  #lead(command: CardCommand): number {
    return command.index === GO_IDLE && this.#resets++ % 2 === 1 ? 1 : 0;
  }
}
