import type { BridgeCapabilities, CsLevel } from "../../spi/bridge.js";
import { type ClockRun, runsOf } from "../../spi/clock-runs.js";
import { type CsPin, CsTrail } from "../../spi/cs-trail.js";
import type { SpiEngine } from "../../spi/engine.js";
import { describeFailure } from "../../spi/engine-errors.js";
import type { PlannerStep } from "../../spi/plan.js";
import { SpiDriver } from "../../spi/spi-driver.js";
import type { HidDeviceInfo, HidTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { silentLog } from "../../util/log.js";
import {
  CS_PIN,
  divisorFor,
  encodePins,
  encodePlain,
  encodeSpiSettings,
  spiSettings,
} from "./codec.js";
import { MCP2210_CHIP, MCP2210_RATE, requireMcp2210 } from "./devices.js";
import { Mcp2210Link } from "./link.js";
import { MCP2210_CAPABILITIES, type Mcp2210Bridge, type Mcp2210OpenOptions } from "./options.js";
import { type Rate, setRate } from "./rate.js";
import { CHUNK_BYTES, MAX_TRANSACTION_BYTES } from "./reports.js";
import { resynchronise, setUpPins } from "./start-up.js";
import { transfer } from "./transfer.js";

export type { Mcp2210Bridge, Mcp2210OpenOptions } from "./options.js";

const START_UP_MS = 3000;
/** Identification speed of SD and MMC cards. */
const FIRST_FREQUENCY_HZ = 400_000;

/**
 * Starts an MCP2210 as an SPI bridge: chip select is GP0, high; 400 kHz. Only settings that the next power-on forgets are changed.
 * @throws BridgeError BRIDGE_UNSUPPORTED (another device), BRIDGE_SYNC, BRIDGE_PROTOCOL, BRIDGE_TIMEOUT; TransportError
 */
export async function openMcp2210(open: Mcp2210OpenOptions): Promise<Mcp2210Bridge> {
  const { transport, clock } = open;
  try {
    requireMcp2210(transport.device);
    const engine = new Mcp2210Engine(transport, clock);
    await engine.start(open.deadline ?? deadlineIn(clock, START_UP_MS));
    const { serialNumber, path } = transport.device;
    open.log?.info(
      { chip: MCP2210_CHIP.name, serialNumber, path, rate: MCP2210_RATE },
      "adapter ready",
    );
    return new Mcp2210Driver(engine, open);
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

class Mcp2210Driver extends SpiDriver implements Mcp2210Bridge {
  readonly chip: Mcp2210Bridge["chip"] = MCP2210_CHIP;
  readonly device: HidDeviceInfo;

  constructor(engine: SpiEngine, open: Mcp2210OpenOptions) {
    super({ engine, clock: open.clock, log: open.log ?? silentLog });
    this.device = open.transport.device;
  }
}

class Mcp2210Engine implements SpiEngine {
  readonly capabilities: BridgeCapabilities = MCP2210_CAPABILITIES;
  /** Strictly one command, one answer. */
  readonly stepsAhead = 1;
  readonly #transport: HidTransport;
  readonly #clock: Clock;
  readonly #link: Mcp2210Link;
  readonly #cs = new CsTrail();
  /** Levels of the pins, GP0's aside. */
  #otherPins = 0;
  #rate: Rate = { wantedHz: 0, askedHz: 0, frequencyHz: 0 };
  /** As the chip has it; 0: not known. */
  #bytesPerTransaction = 0;

  constructor(transport: HidTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
    this.#link = new Mcp2210Link(transport, clock);
  }

  get frequencyHz(): number {
    return this.#rate.frequencyHz;
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

  start(deadline: Deadline): Promise<void> {
    return this.#link.run(async () => {
      await resynchronise(this.#link, this.#clock, deadline);
      this.#otherPins = (await setUpPins(this.#link, deadline)) & ~CS_PIN;
      this.#cs.set("high");
      await this.#setRate(FIRST_FREQUENCY_HZ, deadline);
    });
  }

  async setFrequency(frequencyHz: number, deadline: Deadline): Promise<void> {
    // Throws before anything is sent.
    divisorFor(frequencyHz);
    await this.#link.run(async () => {
      const isSet = this.#bytesPerTransaction > 0 && frequencyHz === this.#rate.wantedHz;
      if (!isSet) await this.#setRate(frequencyHz, deadline);
    });
  }

  run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    return this.#link.run(async () => {
      const reply = new Uint8Array(step.replyBytes);
      let filled = 0;
      for (const run of runsOf(step.ops)) {
        if (run.kind === "cs") await this.#setCs(run.level, deadline);
        else filled += await this.#clockRun(run, reply.subarray(filled), deadline);
      }
      return reply;
    });
  }

  stop(error: unknown): Promise<void> {
    return this.#link.stop(error);
  }

  restart(deadline: Deadline): Promise<CsLevel> {
    this.#link.restart();
    return this.#link.run(async () => {
      await this.#resynchronise(deadline);
      return this.#findCs(deadline);
    });
  }

  async leave(deadline: Deadline): Promise<void> {
    const outOfStep = this.#link.failure !== undefined;
    this.#link.restart();
    await this.#link.run(async () => {
      if (outOfStep) await this.#resynchronise(deadline);
      await this.#setCs("high", deadline);
    });
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  /** The settings may not be what they were: another program may have been there. */
  async #resynchronise(deadline: Deadline): Promise<void> {
    this.#bytesPerTransaction = 0;
    await resynchronise(this.#link, this.#clock, deadline);
  }

  async #setRate(frequencyHz: number, deadline: Deadline): Promise<void> {
    this.#bytesPerTransaction = 0;
    const bytes = MAX_TRANSACTION_BYTES;
    this.#rate = await setRate(this.#link, frequencyHz, bytes, deadline);
    this.#bytesPerTransaction = bytes;
    this.#link.chunkUs = (CHUNK_BYTES * 8e6) / this.#rate.frequencyHz;
  }

  async #setCs(level: CsPin, deadline: Deadline): Promise<void> {
    if (this.#cs.certain === level) return;
    const pins = this.#otherPins | (level === "high" ? CS_PIN : 0);
    const mark = this.#cs.sent([level]);
    await this.#link.ask(encodePins(pins), "acknowledged", deadline);
    this.#cs.reached(mark);
  }

  /** Where it must be, or, if a command was lost, where the chip says that it is. */
  async #findCs(deadline: Deadline): Promise<CsLevel> {
    if (this.#cs.certain === undefined) {
      const { bits } = await this.#link.ask(encodePlain("getPins"), "pins", deadline);
      this.#cs.set(bits & CS_PIN ? "high" : "low");
    }
    return this.#cs.last;
  }

  /** Returns how many bytes of `reply` it filled. */
  async #clockRun(run: ClockRun, reply: Uint8Array, deadline: Deadline): Promise<number> {
    await this.#setLength(run.mosi.length, deadline);
    const miso = await transfer(this.#link, run.mosi, deadline);
    let filled = 0;
    for (const { from, to } of run.reply) {
      reply.set(miso.subarray(from, to), filled);
      filled += to - from;
    }
    return filled;
  }

  async #setLength(bytes: number, deadline: Deadline): Promise<void> {
    if (this.#bytesPerTransaction === bytes) return;
    this.#bytesPerTransaction = 0;
    const report = encodeSpiSettings(spiSettings(this.#rate.askedHz, bytes));
    await this.#link.ask(report, "acknowledged", deadline);
    this.#bytesPerTransaction = bytes;
  }
}
