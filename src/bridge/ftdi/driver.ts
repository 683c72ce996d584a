import type { BridgeCapabilities, CsLevel } from "../../spi/bridge.js";
import { type CsPin, CsTrail } from "../../spi/cs-trail.js";
import type { SpiEngine } from "../../spi/engine.js";
import { describeFailure, isFinal } from "../../spi/engine-errors.js";
import type { PlannerStep } from "../../spi/plan.js";
import { SpiDriver } from "../../spi/spi-driver.js";
import type { UsbDeviceInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { assert, toError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import { type FtdiChannel, type FtdiChip, ftdiChannel, requireFtdiChip } from "./chips.js";
import {
  CS_PIN,
  clockSetting,
  encodeDivisor,
  encodePinsAndRead,
  encodeSetUp,
  encodeStep,
} from "./codec.js";
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
/** Identification speed of SD and MMC cards. */
const FIRST_FREQUENCY_HZ = 400_000;
/** Fast enough that full packets come before the latency timer; within the default speed of any card. */
const SELF_TEST_FREQUENCY_HZ = 15e6;

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
    const engine = new FtdiEngine(open, channel);
    await engine.start(open.deadline ?? deadlineIn(clock, START_UP_MS));
    const { serialNumber, portPath } = transport.device;
    open.log?.info({ chip: chip.name, serialNumber, portPath }, "adapter ready");
    return new FtdiDriver(engine, open, chip, channel);
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

class FtdiDriver extends SpiDriver implements FtdiBridge {
  readonly chip: FtdiChip;
  readonly channel: FtdiChannel;
  readonly device: UsbDeviceInfo;

  constructor(engine: SpiEngine, open: FtdiOpenOptions, chip: FtdiChip, channel: FtdiChannel) {
    super({ engine, clock: open.clock, log: open.log ?? silentLog });
    this.chip = chip;
    this.channel = channel;
    this.device = open.transport.device;
  }
}

class FtdiEngine implements SpiEngine {
  readonly capabilities: BridgeCapabilities;
  readonly stepsAhead = 4;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: Required<FtdiOptions>;
  readonly #port: FtdiPort;
  readonly #link: MpsseLink;
  readonly #cs = new CsTrail();
  readonly #transport: FtdiOpenOptions["transport"];
  #clocking = clockSetting(FIRST_FREQUENCY_HZ);

  constructor(open: FtdiOpenOptions, channel: FtdiChannel) {
    this.#transport = open.transport;
    this.#clock = open.clock;
    this.#log = open.log ?? silentLog;
    this.#options = withDefaults(open.options);
    this.#port = new FtdiPort(open.transport, channel);
    this.#link = new MpsseLink(this.#port);
    this.capabilities = capabilitiesOf(this.#options.hardwareWait, this.#port.packetSize);
  }

  get frequencyHz(): number {
    return this.#clocking.frequencyHz;
  }

  get cs(): CsPin {
    return this.#cs.last;
  }

  get busy(): boolean {
    return this.#link.busy;
  }

  get failure(): unknown {
    return this.#link.failure;
  }

  async start(deadline: Deadline): Promise<void> {
    await enterMpsse(this.#port, this.#options.latencyMs, this.#clock, deadline);
    await synchronise(this.#port, this.#clock, deadline);
    await this.#setUp(clockSetting(SELF_TEST_FREQUENCY_HZ).divisor, "high", deadline);
    if (this.#options.selfTest) await runSelfTest(this.#link, deadline);
    await this.#sendDivisor(this.#clocking.divisor, deadline);
  }

  async setFrequency(frequencyHz: number, deadline: Deadline): Promise<void> {
    const clocking = clockSetting(frequencyHz);
    await this.#sendDivisor(clocking.divisor, deadline);
    this.#clocking = clocking;
  }

  run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    const script = encodeStep(step.ops, this.#cs.last);
    assert(script.replyBytes === step.replyBytes, "the script answers with what the step expects");
    // A link out of step sends nothing.
    const mark = this.#cs.sent(this.#link.failure === undefined ? script.csLevels : []);
    const reply = this.#link.run(script, deadline);
    // Only an answer proves that the chip has executed it.
    if (script.replyBytes > 0) reply.then(() => this.#cs.reached(mark)).catch(() => undefined);
    return reply;
  }

  stop(error: unknown): Promise<void> {
    return this.#link.stop(error);
  }

  /**
   * CS goes to where it was, but on chips whose pins float while the mode changes it may have been high in between, for a few
   * milliseconds and without a clock: a card may have taken that for the end of its frame.
   */
  async restart(deadline: Deadline): Promise<CsLevel> {
    const level = await this.#findCs(deadline);
    await this.#recover(level === "unknown" ? "low" : level, deadline);
    return level;
  }

  /** CS high, then the pins go back to what they are without an engine. */
  async leave(deadline: Deadline): Promise<void> {
    if (this.#link.failure !== undefined) await this.#recover("high", deadline);
    await this.#link.run(encodePinsAndRead("high"), deadline);
    await this.#port.control(this.#port.sio.modeReset, deadline);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #sendDivisor(divisor: number, deadline: Deadline): Promise<void> {
    await this.#link.run({ bytes: encodeDivisor(divisor), replyBytes: 0 }, deadline);
  }

  async #setUp(divisor: number, cs: CsPin, deadline: Deadline): Promise<void> {
    await this.#link.run({ bytes: encodeSetUp(divisor, cs), replyBytes: 0 }, deadline);
    this.#cs.set(cs);
  }

  async #recover(cs: CsPin, deadline: Deadline): Promise<void> {
    try {
      await resetEngine(this.#port, deadline);
      await synchronise(this.#port, this.#clock, deadline);
      this.#link.restart();
      await this.#setUp(this.#clocking.divisor, cs, deadline);
    } catch (error) {
      await this.#link.stop(error);
      throw describeFailure(error, "restart");
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
}
