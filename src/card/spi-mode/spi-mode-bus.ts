import type { Segment, SpiBridge } from "../../spi/bridge.js";
import type {
  CardBus,
  CardBusCapabilities,
  CardCommand,
  CardResponse,
  ReceiveRequest,
  RecoveryKnowledge,
  RecoveryReport,
  SendRequest,
  TransferResult,
} from "../../spi/card-bus.js";
import { stillBusy } from "../../spi/card-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { assert, toError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import { CardLink, checkBridge, isDeadline } from "./card-link.js";
import { Commander } from "./commands.js";
import { OperationBridge } from "./operation-bridge.js";
import { ReadTransfer } from "./read-transfer.js";
import { recoverCard } from "./recover.js";
import { Settler } from "./settle.js";
import { SingleRead } from "./single-read.js";
import { SingleWrite } from "./single-write.js";
import { WriteTransfer } from "./write-transfer.js";

/** For what has no deadline of its caller: a few bytes with CS high. */
const HOUSEKEEPING_MS = 1000;

export interface SpiModeDeps {
  readonly bridge: SpiBridge;
  readonly clock: Clock;
  readonly log?: Log;
  /** False: somebody else used the card before, so that the first user begins with a recovery. Default true. */
  readonly stateKnown?: boolean;
}

/**
 * A card in SPI mode behind a bridge that moves SPI bytes (SD Physical Layer chapter 7). One call at a time.
 * @throws BridgeError BRIDGE_UNSUPPORTED if the bridge cannot hold CS between transactions
 */
export function createSpiModeBus(deps: SpiModeDeps): CardBus {
  const { bridge, clock, log = silentLog, stateKnown = true } = deps;
  checkBridge(bridge);
  const { operation } = bridge.capabilities;
  const framed = operation === undefined ? bridge : new OperationBridge(bridge, operation);
  const link = new CardLink(framed, clock, log);
  link.stateKnown = stateKnown;
  return new SpiModeBus(link);
}

class SpiModeBus implements CardBus {
  readonly #link: CardLink;
  readonly #commander: Commander;
  readonly #reads: ReadTransfer | SingleRead;
  readonly #writes: WriteTransfer | SingleWrite;

  constructor(link: CardLink) {
    this.#link = link;
    this.#commander = new Commander(this.#link);
    const settler = new Settler(this.#link, this.#commander);
    const [Reads, Writes] = this.#isSingle
      ? ([SingleRead, SingleWrite] as const)
      : ([ReadTransfer, WriteTransfer] as const);
    this.#reads = new Reads(this.#link, this.#commander, settler);
    this.#writes = new Writes(this.#link, this.#commander, settler);
  }

  get capabilities(): CardBusCapabilities {
    const { minFrequencyHz, maxFrequencyHz, bytesPerSecond } = this.#link.bridge.capabilities;
    return {
      maxBlocks: this.#isSingle ? 1 : Number.POSITIVE_INFINITY,
      minFrequencyHz,
      maxFrequencyHz,
      hardwareWait: this.#link.hardwareWait,
      ...(this.#isSingle ? { noStartUpClocks: true } : {}),
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    };
  }

  /** CS does not stay low: each block is an operation of its own. */
  get #isSingle(): boolean {
    return this.#link.bridge.capabilities.operation !== undefined;
  }

  get stateKnown(): boolean {
    return this.#link.stateKnown;
  }

  /** CS high and 8 clocks on either side: a change with CS low made PNY and Phison cards lose sync. */
  async configure(settings: { readonly frequencyHz: number }): Promise<{ frequencyHz: number }> {
    const deadline = deadlineIn(this.#link.clock, HOUSEKEEPING_MS);
    await this.#run("release", this.#link.release(), deadline);
    const { frequencyHz } = await this.#link.bridge.configure(settings);
    this.#link.frequencyHz = frequencyHz;
    await this.#run("release", this.#link.release(), deadline);
    return { frequencyHz };
  }

  async startUp(bytes: number, deadline: Deadline): Promise<void> {
    if (this.#isSingle) {
      // With CS low, which the specification does not allow but many cards take: there is no other way.
      await this.#run("start-up clocks", [{ kind: "select" }, { kind: "idle", bytes }], deadline);
      return;
    }
    if (!this.#link.bridge.capabilities.clocksWithCsHigh) {
      throw new BridgeError(
        "BRIDGE_UNSUPPORTED",
        "this adapter cannot clock while chip select is high, which a card needs to start up",
        { hint: "wire chip select to a pin that the adapter drives on its own" },
      );
    }
    await this.#run("start-up clocks", [{ kind: "deselect" }, { kind: "idle", bytes }], deadline);
  }

  command(command: CardCommand, deadline: Deadline): Promise<CardResponse> {
    return this.#commander.command(command, deadline);
  }

  probeCrc(command: CardCommand, deadline: Deadline): Promise<CardResponse> {
    return this.#commander.command(command, deadline, { wrongCrc: true });
  }

  async receive(request: ReceiveRequest, deadline: Deadline): Promise<TransferResult> {
    const { into, blockLength, blockCount } = request;
    const fits = blockCount >= 1 && into.length === blockLength * blockCount;
    assert(fits, "the buffer must hold exactly the blocks asked for");
    return this.#while("reading", () => this.#reads.run(request, deadline));
  }

  async send(request: SendRequest, deadline: Deadline): Promise<TransferResult> {
    const blocks = request.data.length / request.blockLength;
    const whole = Number.isInteger(blocks) && blocks >= 1 && (request.openEnded || blocks === 1);
    assert(whole, "the data must be whole blocks, and one if the transfer is not open-ended");
    return this.#while("writing", () => this.#writes.run(request, deadline));
  }

  async wait(deadline: Deadline): Promise<void> {
    const busy = this.#link.awaitReady(this.#link.busyHint());
    // The card drives MISO from the first clock on; that byte may still hold the edge.
    const segments: Segment[] = [...this.#link.open(), { kind: "idle", bytes: 1 }, busy];
    try {
      await this.#link.run({ label: "wait ready", segments }, deadline);
    } catch (error) {
      throw isDeadline(error) ? stillBusy("the last command", error) : error;
    }
  }

  async release(deadline: Deadline): Promise<void> {
    if (this.#link.csLow) await this.#run("release", this.#link.release(), deadline);
  }

  recover(deadline: Deadline, known?: RecoveryKnowledge): Promise<RecoveryReport> {
    return recoverCard(this.#link, deadline, known);
  }

  preempt(): CardBus {
    return new SpiModeBus(this.#link.successor());
  }

  async close(): Promise<void> {
    try {
      await this.release(deadlineIn(this.#link.clock, HOUSEKEEPING_MS));
    } catch (error) {
      this.#link.log.debug({ err: toError(error) }, "the card could not be released");
    } finally {
      await this.#link.bridge.close();
    }
  }

  /** A transfer that ended, however, leaves nothing open unless the card's state is unknown. */
  async #while<T>(open: "reading" | "writing", transfer: () => Promise<T>): Promise<T> {
    this.#link.doing = open;
    try {
      return await transfer();
    } finally {
      if (this.#link.stateKnown) this.#link.doing = "nothing";
    }
  }

  async #run(label: string, segments: Segment[], deadline: Deadline): Promise<void> {
    await this.#link.run({ label, segments }, deadline);
  }
}
