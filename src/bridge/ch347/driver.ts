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
import { type Ch347Chip, requireCh347 } from "./chips.js";
import {
  clockIndexFor,
  encodeChipSelect,
  encodeReadSettings,
  encodeSettings,
  encodeStep,
} from "./codec.js";
import { Ch347Link } from "./link.js";
import { CH347_CAPABILITIES, type Ch347Bridge, type Ch347OpenOptions } from "./options.js";
import { synchronise } from "./start-up.js";
import { clockHz, SLOWEST_CLOCK_INDEX } from "./wire.js";

export type { Ch347Bridge, Ch347OpenOptions } from "./options.js";

const START_UP_MS = 3000;

/**
 * Starts a CH347T in mode 1 or a CH347F as an SPI bridge: chip select is CS1, high; 468.75 kHz, the slowest that it has.
 * @throws BridgeError BRIDGE_UNSUPPORTED (another device or mode), BRIDGE_SYNC, BRIDGE_PROTOCOL, BRIDGE_TIMEOUT; TransportError
 */
export async function openCh347(open: Ch347OpenOptions): Promise<Ch347Bridge> {
  const { transport, clock } = open;
  try {
    const { chip } = requireCh347(transport.device);
    const engine = new Ch347Engine(open);
    await engine.start(open.deadline ?? deadlineIn(clock, START_UP_MS));
    open.log?.info({ chip: chip.name, portPath: transport.device.portPath }, "adapter ready");
    return new Ch347Driver(engine, chip, open);
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

class Ch347Driver extends SpiDriver implements Ch347Bridge {
  readonly chip: Ch347Bridge["chip"];
  readonly device: UsbDeviceInfo;

  constructor(engine: Ch347Engine, chip: Ch347Chip["chip"], open: Ch347OpenOptions) {
    super({ engine, clock: open.clock, log: open.log ?? silentLog });
    this.chip = chip;
    this.device = open.transport.device;
  }
}

class Ch347Engine implements SpiEngine {
  readonly capabilities: BridgeCapabilities = CH347_CAPABILITIES;
  readonly stepsAhead = 2;
  readonly #transport: UsbTransport;
  readonly #clock: Clock;
  readonly #link: Ch347Link;
  readonly #cs = new CsTrail();
  #clockIndex = SLOWEST_CLOCK_INDEX;

  constructor({ transport, clock }: Ch347OpenOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#link = new Ch347Link(transport);
  }

  get frequencyHz(): number {
    return clockHz(this.#clockIndex);
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
    await this.#synchronise(deadline);
    await this.#putCs("high", deadline);
  }

  async setFrequency(frequencyHz: number, deadline: Deadline): Promise<void> {
    const index = clockIndexFor(frequencyHz);
    const { minFrequencyHz } = this.capabilities;
    if (index === undefined)
      throw new UsageError(`a CH347's clock does not go below ${minFrequencyHz} Hz`, {
        details: { frequencyHz, minFrequencyHz },
        hint: `choose ${minFrequencyHz} Hz or more`,
      });
    if (index === this.#clockIndex) return;
    await this.#link.run({ commands: [encodeSettings(index)], replyBytes: 0 }, deadline);
    this.#clockIndex = index;
  }

  run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    const script = encodeStep(step.ops, this.frequencyHz);
    assert(script.replyBytes === step.replyBytes, "the script answers with what the step expects");
    // A link out of step sends nothing.
    const mark = this.#cs.sent(this.#link.failure === undefined ? script.csLevels : []);
    const reply = this.#link.run(script, deadline);
    // Only an answer proves that the chip has executed what was before it.
    if (script.commands.at(-1)?.answer !== undefined)
      reply.then(() => this.#cs.reached(mark)).catch(() => undefined);
    return reply;
  }

  stop(error: unknown): Promise<void> {
    return this.#link.stop(error);
  }

  async restart(deadline: Deadline): Promise<CsLevel> {
    try {
      await this.#synchronise(deadline);
      const { certain } = this.#cs;
      // What new settings do to CS is not documented.
      if (certain !== undefined) await this.#putCs(certain, deadline);
      return certain ?? "unknown";
    } catch (error) {
      await this.#link.stop(error);
      throw describeFailure(error, "restart");
    }
  }

  async leave(deadline: Deadline): Promise<void> {
    if (this.failure !== undefined) await this.#synchronise(deadline);
    await this.#putCs("high", deadline);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #synchronise(deadline: Deadline): Promise<void> {
    return synchronise(this.#link, this.#transport, this.#clockIndex, this.#clock, deadline);
  }

  /** Chip select has no answer: that of a question behind it says that it was executed. */
  async #putCs(level: CsPin, deadline: Deadline): Promise<void> {
    const commands = [encodeChipSelect(level), encodeReadSettings()];
    await this.#link.run({ commands, replyBytes: 0 }, deadline);
    this.#cs.set(level);
  }
}
