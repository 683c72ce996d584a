import type {
  BridgeCapabilities,
  CsLevel,
  Transaction,
  TransactionResult,
} from "../../spi/bridge.js";
import type { Planner, PlannerStep } from "../../spi/plan.js";
import { createPlanner } from "../../spi/planner.js";
import type { UsbDeviceInfo, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, expired } from "../../util/deadline.js";
import { assert, toError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import { type FtdiChannel, type FtdiChip, ftdiChannel, requireFtdiChip } from "./chips.js";
import {
  CS_PIN,
  type CsPin,
  clockSetting,
  encodeDivisor,
  encodePinsAndRead,
  encodeSetUp,
  encodeStep,
} from "./codec.js";
import { CsTrail } from "./cs-trail.js";
import { cancelled, describeFailure, isFinal, late, outOfSync } from "./ftdi-errors.js";
import { FtdiPort } from "./ftdi-port.js";
import { MpsseLink } from "./mpsse-link.js";
import {
  capabilitiesOf,
  type FtdiBridge,
  type FtdiOpenOptions,
  type FtdiOptions,
  withDefaults,
} from "./options.js";
import { runSelfTest } from "./self-test.js";
import { enterMpsse, resetEngine, synchronise } from "./start-up.js";

export type { FtdiBridge, FtdiOpenOptions, FtdiOptions } from "./options.js";

const START_UP_MS = 3000;
const CONFIGURE_MS = 1000;
const CLOSE_MS = 1000;
/** Identification speed of SD and MMC cards. */
const FIRST_FREQUENCY_HZ = 400_000;
/** Fast enough that full packets come before the latency timer; within the default speed of any card. */
const SELF_TEST_FREQUENCY_HZ = 15e6;
/** Steps of one transaction on their way at a time. */
const MAX_STEPS_AHEAD = 4;

/**
 * Starts an FT232H, FT2232H or FT4232H as an SPI bridge: CS high, 400 kHz.
 * @throws BridgeError BRIDGE_UNSUPPORTED (another chip, a channel without MPSSE), BRIDGE_SYNC, BRIDGE_PROTOCOL,
 * BRIDGE_TIMEOUT; TransportError
 */
export async function openFtdi(open: FtdiOpenOptions): Promise<FtdiBridge> {
  const { transport, clock } = open;
  try {
    const chip = requireFtdiChip(transport.device);
    const channel = ftdiChannel(chip, open.channel);
    const bridge = new Ftdi(open, chip, channel);
    await bridge.start(open.deadline ?? deadlineIn(clock, START_UP_MS));
    return bridge;
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

class Ftdi implements FtdiBridge {
  readonly chip: FtdiChip;
  readonly channel: FtdiChannel;
  readonly device: UsbDeviceInfo;
  readonly capabilities: BridgeCapabilities;
  readonly #transport: UsbTransport;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: Required<FtdiOptions>;
  readonly #port: FtdiPort;
  readonly #link: MpsseLink;
  readonly #planner: Planner;
  readonly #cs = new CsTrail();
  #clocking = clockSetting(FIRST_FREQUENCY_HZ);
  /** Whatever was asked for before the last failure, abort or close does not run any more. */
  #generation = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(open: FtdiOpenOptions, chip: FtdiChip, channel: FtdiChannel) {
    this.chip = chip;
    this.channel = channel;
    this.device = open.transport.device;
    this.#transport = open.transport;
    this.#clock = open.clock;
    this.#log = open.log ?? silentLog;
    this.#options = withDefaults(open.options);
    this.#port = new FtdiPort(open.transport, channel);
    this.#link = new MpsseLink(this.#port);
    this.capabilities = capabilitiesOf(this.#options.hardwareWait, this.#port.packetSize);
    this.#planner = createPlanner(this.capabilities, () => this.#clocking);
  }

  async start(deadline: Deadline): Promise<void> {
    await enterMpsse(this.#port, this.#options.latencyMs, this.#clock, deadline);
    await synchronise(this.#port, this.#clock, deadline);
    await this.#setUp(clockSetting(SELF_TEST_FREQUENCY_HZ).divisor, "high", deadline);
    if (this.#options.selfTest) await runSelfTest(this.#link, deadline);
    await this.#sendDivisor(this.#clocking.divisor, deadline);
    const { serialNumber, portPath } = this.device;
    this.#log.info({ chip: this.chip.name, serialNumber, portPath }, "adapter ready");
  }

  configure(settings: { readonly frequencyHz: number }): Promise<{ readonly frequencyHz: number }> {
    return this.#enqueue("configure", async () => {
      const clocking = clockSetting(settings.frequencyHz);
      if (this.#link.failure !== undefined) throw outOfSync(this.#link.failure);
      assert(this.#cs.last === "high", "the clock may change only while CS is high");
      await this.#sendDivisor(clocking.divisor, deadlineIn(this.#clock, CONFIGURE_MS)).catch(
        (error: unknown) => {
          throw describeFailure(error, "configure");
        },
      );
      this.#clocking = clocking;
      this.#log.debug({ asked: settings.frequencyHz, set: clocking.frequencyHz }, "clock");
      return { frequencyHz: clocking.frequencyHz };
    });
  }

  submit(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    return this.#enqueue(transaction.label, () => this.#run(transaction, deadline));
  }

  abort(deadline: Deadline): Promise<CsLevel> {
    if (this.#closing !== undefined)
      return Promise.reject(cancelled("abort", "the bridge is closed"));
    this.#generation++;
    const stopped = this.#link.stop(cancelled("transaction", "aborted"));
    const turn = Promise.all([stopped, this.#tail]).then(() => this.#restart(deadline));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** One thing at a time, in order, unless something before it fails. */
  #enqueue<T>(label: string, work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined)
      return Promise.reject(cancelled(label, "the bridge is closed"));
    const generation = this.#generation;
    const turn = this.#tail.then(() => {
      if (generation === this.#generation) return work();
      const { failure } = this.#link;
      throw isFinal(failure)
        ? failure
        : cancelled(label, "overtaken by a failure or an abort", failure);
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #run(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    const { label } = transaction;
    const startUs = this.#clock.nowUs();
    const generation = this.#generation;
    try {
      if (expired(this.#clock, deadline)) throw late(label);
      this.#planner.begin(transaction);
      const result = await this.#drive(deadline);
      this.#log.debug({ label, us: this.#clock.nowUs() - startUs, ...result }, "transaction");
      return result;
    } catch (error) {
      // What came after an abort has nothing to do with what the abort ended.
      if (generation === this.#generation) this.#generation++;
      if (this.#link.busy) await this.#link.stop(error);
      this.#planner.reset();
      throw describeFailure(error, label);
    }
  }

  /** Steps go out as far ahead as the planner can say them; replies come back in order. */
  async #drive(deadline: Deadline): Promise<TransactionResult> {
    const flights: Promise<Uint8Array>[] = [];
    for (;;) {
      const step = flights.length < MAX_STEPS_AHEAD ? this.#planner.next() : "await";
      if (step === "done") return this.#planner.result;
      if (step !== "await") flights.push(this.#send(step, deadline));
      else this.#planner.feed(await (flights.shift() ?? stuck()));
    }
  }

  #send(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    const script = encodeStep(step.ops, this.#cs.last);
    assert(script.replyBytes === step.replyBytes, "the script answers with what the step expects");
    // A link out of step sends nothing.
    const mark = this.#cs.sent(this.#link.failure === undefined ? script.csLevels : []);
    const reply = this.#link.run(script, deadline);
    // Only an answer proves that the chip has executed it.
    if (script.replyBytes > 0) reply.then(() => this.#cs.reached(mark)).catch(() => undefined);
    reply.catch(() => undefined);
    return reply;
  }

  async #sendDivisor(divisor: number, deadline: Deadline): Promise<void> {
    await this.#link.run({ bytes: encodeDivisor(divisor), replyBytes: 0 }, deadline);
  }

  async #setUp(divisor: number, cs: CsPin, deadline: Deadline): Promise<void> {
    await this.#link.run({ bytes: encodeSetUp(divisor, cs), replyBytes: 0 }, deadline);
    this.#cs.set(cs);
  }

  /**
   * Brings the chip back. CS goes to where it was, but on chips whose pins float while the mode changes it may have
   * been high in between, for a few milliseconds and without a clock: a card may have taken that for the end of its frame.
   */
  async #restart(deadline: Deadline): Promise<CsLevel> {
    this.#planner.reset();
    const level = await this.#findCs(deadline);
    await this.#recover(level === "unknown" ? "low" : level, deadline);
    this.#log.debug({ cs: level }, "engine reset");
    return level;
  }

  async #recover(cs: CsPin, deadline: Deadline): Promise<void> {
    try {
      await resetEngine(this.#port, deadline);
      await synchronise(this.#port, this.#clock, deadline);
      this.#link.restart();
      await this.#setUp(this.#clocking.divisor, cs, deadline);
    } catch (error) {
      await this.#link.stop(error);
      throw describeFailure(error, "abort");
    }
  }

  /** Where it must be, or, if scripts were cut short, where its pin is once the engine gets nothing more. */
  async #findCs(deadline: Deadline): Promise<CsLevel> {
    const { certain } = this.#cs;
    if (certain !== undefined) return certain;
    try {
      await this.#port.control(this.#port.sio.purgeOut, deadline);
      const pins = await this.#port.readPins(deadline);
      if (pins === undefined) return "unknown";
      return pins & CS_PIN ? "high" : "low";
    } catch (error) {
      if (isFinal(error)) throw error;
      this.#log.debug({ error: toError(error).message }, "the level of CS could not be read");
      return "unknown";
    }
  }

  async #close(): Promise<void> {
    this.#generation++;
    if (this.#link.busy) await this.#link.stop(cancelled("transaction", "the bridge was closed"));
    await this.#tail;
    try {
      if (!isFinal(this.#link.failure)) await this.#leave(deadlineIn(this.#clock, CLOSE_MS));
    } catch (error) {
      this.#log.debug({ error: toError(error).message }, "the chip could not be left in order");
    } finally {
      await this.#transport.close();
    }
  }

  /** CS high, then the pins go back to what they are without an engine. */
  async #leave(deadline: Deadline): Promise<void> {
    if (this.#link.failure !== undefined) await this.#recover("high", deadline);
    await this.#link.run(encodePinsAndRead("high"), deadline);
    await this.#port.control(this.#port.sio.modeReset, deadline);
  }
}

function stuck(): never {
  assert(false, "the planner waits for a reply that nothing was sent for");
}
