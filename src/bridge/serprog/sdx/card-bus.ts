import type { AdapterCardBus, BridgeFirmware } from "../../../spi/adapter-card-bus.js";
import type {
  CardBusCapabilities,
  CardCommand,
  CardResponse,
  ReceiveRequest,
  RecoveryKnowledge,
  RecoveryReport,
  SendRequest,
  TransferResult,
} from "../../../spi/card-bus.js";
import { stillBusy } from "../../../spi/card-errors.js";
import { commandName } from "../../../spi/command-name.js";
import type { DeadmanUnit } from "../../../spi/deadman.js";
import { cancelled, describeFailure } from "../../../spi/engine-errors.js";
import { CardError } from "../../../spi/errors.js";
import { R1, R1_ERRORS } from "../../../spi/r1.js";
import { type Deadline, deadlineIn } from "../../../util/deadline.js";
import { assert, UsageError } from "../../../util/errors.js";
import { TAIL_BYTES } from "./codec.js";
import type { SdxDevice } from "./device.js";
import { SDX } from "./protocol.js";
import { recoverBy } from "./recovery.js";
import { valueSet } from "./session.js";
import { type Ended, Transfers } from "./transfers.js";

/** For what has no deadline of its caller. */
const HOUSEKEEPING_MS = 1000;
const GO_IDLE = 0;
const MAX_START_UP_BYTES = 1000;

/**
 * A card behind firmware that polls it (firmware/protocol.h): one request for each command or transfer. One call at a time.
 */
export class SdxCardBus implements AdapterCardBus {
  readonly offers = "card-bus";
  readonly chip: { readonly name: string };
  readonly capabilities: CardBusCapabilities;
  readonly firmware: BridgeFirmware;
  readonly deadman?: DeadmanUnit;
  readonly setPower?: (on: boolean, deadline: Deadline) => Promise<void>;
  readonly #device: SdxDevice;
  readonly #transfers: Transfers;
  /** What the card may be in the middle of. */
  #isIdle = false;
  #running = 0;
  #stateKnown = true;
  #isRevoked = false;
  /** The user before may still have something under way. */
  #mustTake = false;

  constructor(device: SdxDevice) {
    this.#device = device;
    this.chip = device.chip;
    this.firmware = device.firmware;
    this.capabilities = device.capabilities;
    const { deadman, firmware } = device;
    if (deadman !== undefined) this.deadman = deadman;
    if (firmware.facts.powerSwitch) this.setPower = (on, deadline) => this.#power(on, deadline);
    this.#transfers = new Transfers(device.session, (deadline) => device.deviceMs(deadline));
  }

  get stateKnown(): boolean {
    return this.#stateKnown;
  }

  get roundTrips(): number {
    return this.#device.session.wire.roundTrips;
  }

  async configure(settings: { readonly frequencyHz: number }): Promise<{ frequencyHz: number }> {
    const { minFrequencyHz } = this.capabilities;
    const { frequencyHz } = settings;
    if (frequencyHz < minFrequencyHz) {
      throw new UsageError(`this adapter's clock does not go below ${minFrequencyHz} Hz`, {
        details: { frequencyHz, minFrequencyHz },
        hint: `choose ${minFrequencyHz} Hz or more`,
      });
    }
    const { session, clock } = this.#device;
    const deadline = deadlineIn(clock, HOUSEKEEPING_MS);
    const set = await this.#run("configure", async () => {
      await this.#control(SDX.RELEASE, 0, deadline);
      return session.setFrequency(Math.floor(frequencyHz), deadline);
    });
    return { frequencyHz: set };
  }

  async startUp(bytes: number, deadline: Deadline): Promise<void> {
    const clocks = Math.min(Math.max(1, bytes), MAX_START_UP_BYTES);
    await this.#run("start-up clocks", () => this.#control(SDX.START_UP, clocks, deadline));
  }

  command(command: CardCommand, deadline: Deadline): Promise<CardResponse> {
    return this.#run(commandName(command), () => this.#command(command, 0, deadline));
  }

  probeCrc(command: CardCommand, deadline: Deadline): Promise<CardResponse> {
    return this.#run(commandName(command), () => this.#command(command, SDX.WRONG_CRC, deadline));
  }

  async receive(request: ReceiveRequest, deadline: Deadline): Promise<TransferResult> {
    const { into, blockLength, blockCount, command } = request;
    const fits = blockCount >= 1 && into.length === blockLength * blockCount;
    assert(fits, "the buffer must hold exactly the blocks asked for");
    return this.#transfer(commandName(command), () => this.#transfers.read(request, deadline));
  }

  async send(request: SendRequest, deadline: Deadline): Promise<TransferResult> {
    const blocks = request.data.length / request.blockLength;
    const whole = Number.isInteger(blocks) && blocks >= 1 && (request.openEnded || blocks === 1);
    assert(whole, "the data must be whole blocks, and one if the transfer is not open-ended");
    const name = commandName(request.command);
    return this.#transfer(name, () => this.#transfers.write(request, deadline));
  }

  async wait(deadline: Deadline): Promise<void> {
    await this.#run("wait ready", async () => {
      const { session } = this.#device;
      const ms = this.#device.deviceMs(deadline);
      const reply = await session.control(SDX.WAIT_READY, ms, deadline);
      if (reply.status === SDX.BUSY) throw stillBusy("the last command", undefined);
      valueSet(reply, SDX.WAIT_READY);
    });
  }

  async release(deadline: Deadline): Promise<void> {
    await this.#run("release", () => this.#control(SDX.RELEASE, 0, deadline));
  }

  async recover(deadline: Deadline, known?: RecoveryKnowledge): Promise<RecoveryReport> {
    this.#checkOwner();
    this.#stateKnown = false;
    this.#isIdle = false;
    const { session } = this.#device;
    if (this.#mustTake || this.#running > 0) session.stop(cancelled("transaction", "aborted"));
    this.#mustTake = false;
    const report = await recoverBy(session, this.#device.deviceMs(deadline), deadline, known);
    this.#stateKnown = report.outcome === "ready";
    this.#isIdle = this.#stateKnown;
    return report;
  }

  preempt(): SdxCardBus {
    this.#isRevoked = true;
    const isIdle = this.#running === 0 && this.#isIdle;
    const next = new SdxCardBus(this.#device);
    next.#stateKnown = this.#stateKnown && isIdle;
    next.#isIdle = isIdle;
    next.#mustTake = this.#running > 0;
    return next;
  }

  async close(): Promise<void> {
    const { session, clock } = this.#device;
    if (this.#running > 0) session.stop(cancelled("transaction", "the bridge was closed"));
    await this.#device.close(deadlineIn(clock, HOUSEKEEPING_MS));
  }

  /** A card that had no power is in no transfer. */
  async #power(on: boolean, deadline: Deadline): Promise<void> {
    await this.#run("card power", () => this.#control(SDX.SET_POWER, on ? 1 : 0, deadline));
    this.#isIdle = true;
  }

  async #command(command: CardCommand, flags: number, deadline: Deadline): Promise<CardResponse> {
    const ended = await this.#transfers.command(command, flags, deadline);
    const r1 = this.#judge(ended) ?? SDX.NO_R1;
    if (command.index === GO_IDLE && r1 === R1.idle) {
      this.#stateKnown = true;
      this.#isIdle = true;
    }
    const tail = r1 & R1_ERRORS ? 0 : TAIL_BYTES[command.response];
    return { r1, extra: ended.extra.slice(0, tail) };
  }

  /** A transfer that ended, however, leaves nothing open unless the card's state is unknown. */
  async #transfer(name: string, work: () => Promise<Ended>): Promise<TransferResult> {
    this.#isIdle = false;
    try {
      return await this.#run(name, async () => {
        const ended = await work();
        return { r1: this.#judge(ended) ?? 0, blocksDone: ended.blocksDone };
      });
    } finally {
      this.#isIdle = this.#stateKnown;
    }
  }

  /** @throws what it ended with */
  #judge({ r1, failure, cardKnown }: Ended): number | undefined {
    if (failure === undefined) return r1;
    this.#stateKnown &&= cardKnown;
    throw failure;
  }

  /** Whatever the bridge throws leaves the card where nobody knows. */
  async #run<T>(label: string, work: () => Promise<T>): Promise<T> {
    this.#checkOwner();
    this.#running++;
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CardError)) this.#stateKnown = false;
      throw describeFailure(error, label);
    } finally {
      this.#running--;
    }
  }

  async #control(what: number, value: number, deadline: Deadline): Promise<void> {
    valueSet(await this.#device.session.control(what, value, deadline), what);
  }

  #checkOwner(): void {
    if (this.#isRevoked)
      throw new CardError("BLOCK_PREEMPTED", "the card was taken for a panic record");
  }
}
