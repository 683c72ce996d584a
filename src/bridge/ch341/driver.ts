import type { BridgeCapabilities, CsLevel } from "../../spi/bridge.js";
import { type CsPin, CsTrail } from "../../spi/cs-trail.js";
import type { SpiEngine } from "../../spi/engine.js";
import { describeFailure } from "../../spi/engine-errors.js";
import type { PlannerStep } from "../../spi/plan.js";
import { SpiDriver } from "../../spi/spi-driver.js";
import type { UsbDeviceInfo, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { assert, UsageError } from "../../util/errors.js";
import { silentLog } from "../../util/log.js";
import { CH341_CHIP, requireCh341 } from "./chips.js";
import { type Clocking, encodeRelease, encodeStep, SLOW_HZ, STREAM_HZ } from "./codec.js";
import { Ch341Link } from "./link.js";
import { type Ch341Bridge, type Ch341OpenOptions, capabilitiesOf } from "./options.js";
import { drain, noPinReads, probe, readPins, setUp, silent } from "./start-up.js";
import { PIN } from "./wire.js";

export { CH341_VOLTAGE_WARNING } from "./chips.js";
export type { Ch341Bridge, Ch341OpenOptions, Ch341Options } from "./options.js";

const START_UP_MS = 3000;

/**
 * Starts a CH341A, B or F as an SPI bridge: chip select is D0, high; about 190 kHz, or the stream's clock with
 * `fastIdentification`. Show {@link CH341_VOLTAGE_WARNING} first.
 * @throws BridgeError BRIDGE_UNSUPPORTED (another device or mode; a clone that needs `fastIdentification`), BRIDGE_SYNC,
 * BRIDGE_PROTOCOL, BRIDGE_TIMEOUT; TransportError
 */
export async function openCh341(open: Ch341OpenOptions): Promise<Ch341Bridge> {
  const { transport, clock } = open;
  try {
    requireCh341(transport.device);
    const engine = new Ch341Engine(open);
    await engine.start(open.deadline ?? deadlineIn(clock, START_UP_MS));
    const { portPath } = transport.device;
    const { readsPins } = engine;
    open.log?.info({ chip: CH341_CHIP.name, portPath, readsPins }, "adapter ready");
    return new Ch341Driver(engine, open);
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

class Ch341Driver extends SpiDriver implements Ch341Bridge {
  readonly chip: Ch341Bridge["chip"] = CH341_CHIP;
  readonly device: UsbDeviceInfo;
  readonly readsPins: boolean;

  constructor(engine: Ch341Engine, open: Ch341OpenOptions) {
    super({ engine, clock: open.clock, log: open.log ?? silentLog });
    this.device = open.transport.device;
    this.readsPins = engine.readsPins;
  }
}

class Ch341Engine implements SpiEngine {
  readonly capabilities: BridgeCapabilities;
  readonly stepsAhead = 4;
  readonly #transport: UsbTransport;
  readonly #clock: Clock;
  readonly #link: Ch341Link;
  readonly #cs = new CsTrail();
  #clocking: Clocking;
  #readsPins = false;

  constructor(open: Ch341OpenOptions) {
    this.#transport = open.transport;
    this.#clock = open.clock;
    this.#link = new Ch341Link(open.transport, open.clock);
    this.#clocking = open.options?.fastIdentification === true ? "stream" : "slow";
    this.capabilities = capabilitiesOf(open.options ?? {});
  }

  get frequencyHz(): number {
    return this.#clocking === "stream" ? STREAM_HZ : SLOW_HZ;
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

  get readsPins(): boolean {
    return this.#readsPins;
  }

  async start(deadline: Deadline): Promise<void> {
    await drain(this.#transport, this.#clock, deadline);
    await this.#setUp("high", deadline);
    await probe(this.#link, this.#clock, deadline);
    const pins = await readPins(this.#link, this.#clock, deadline);
    this.#readsPins = pins !== undefined;
    if (!this.#readsPins && this.#clocking === "slow") throw noPinReads();
  }

  async setFrequency(frequencyHz: number): Promise<void> {
    const { minFrequencyHz } = this.capabilities;
    if (frequencyHz < minFrequencyHz)
      throw new UsageError(`a CH341A's clock does not go below ${minFrequencyHz} Hz`, {
        details: { frequencyHz, minFrequencyHz },
        hint: `choose ${minFrequencyHz} Hz or more`,
      });
    this.#clocking = frequencyHz < STREAM_HZ ? "slow" : "stream";
  }

  run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    const script = encodeStep(step.ops, this.#cs.last, this.#clocking);
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

  restart(deadline: Deadline): Promise<CsLevel> {
    return this.#recover(async () => {
      const level = await this.#findCs(deadline);
      await this.#setUp(level === "unknown" ? "low" : level, deadline);
      return level;
    }, deadline);
  }

  /** CS high, then all pins inputs, as after power-on. */
  async leave(deadline: Deadline): Promise<void> {
    const release = async (): Promise<void> => {
      await this.#link.run(encodeRelease(), deadline);
      this.#cs.set("high");
    };
    await (this.failure === undefined ? release() : this.#recover(release, deadline));
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #setUp(cs: CsPin, deadline: Deadline): Promise<void> {
    await setUp(this.#link, cs, this.#clock, deadline);
    this.#cs.set(cs);
  }

  /** Packets are complete in themselves: in step means that no answer is left over, and that the chip answers. */
  async #recover<T>(work: () => Promise<T>, deadline: Deadline): Promise<T> {
    try {
      await drain(this.#transport, this.#clock, deadline);
      this.#link.restart();
      return await work();
    } catch (error) {
      await this.#link.stop(error);
      throw describeFailure(error, "restart");
    }
  }

  /**
   * Where it must be, or where its pin is. A clone that tells no pins is asked to clock a byte instead, also while CS is low: no
   * other question has an answer.
   */
  async #findCs(deadline: Deadline): Promise<CsLevel> {
    const { certain } = this.#cs;
    if (!this.#readsPins) {
      await probe(this.#link, this.#clock, deadline);
      return certain ?? "unknown";
    }
    const pins = await readPins(this.#link, this.#clock, deadline);
    if (pins === undefined) throw silent();
    return certain ?? (pins & PIN.cs0 ? "high" : "low");
  }
}
