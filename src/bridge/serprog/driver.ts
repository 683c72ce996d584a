import type { BridgeCapabilities, CsLevel } from "../../spi/bridge.js";
import { type CsPin, CsTrail } from "../../spi/cs-trail.js";
import type { SpiEngine } from "../../spi/engine.js";
import { describeFailure } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { PlannerStep } from "../../spi/plan.js";
import { SpiDriver } from "../../spi/spi-driver.js";
import type { SerialPortInfo } from "../../transport/types.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { errorCode, UsageError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import {
  BUS_SPI,
  CS_MODE,
  decodeNumber,
  encodeCommand,
  SERPROG,
  type SerprogCommand,
  SPI_MODE,
} from "./codec.js";
import { isRefusal, SerprogLink } from "./link.js";
import {
  ASSUMED_FREQUENCY_HZ,
  aheadOf,
  capabilitiesOf,
  checkOptions,
  exchangeBytes,
  IDENTIFY_HZ,
  lineRate,
  type SerprogBridge,
  type SerprogOpenOptions,
} from "./options.js";
import { inquire, type Programmer } from "./programmer.js";
import { SerialReader } from "./serial-reader.js";
import {
  collectReply,
  encodeCsMode,
  encodeFullDuplex,
  encodeHalfDuplex,
  type StepCommand,
} from "./steps.js";
import { type SyncParts, synchronise } from "./sync.js";

export type { SerprogBridge, SerprogOpenOptions, SerprogOptions } from "./options.js";
export type { Programmer } from "./programmer.js";

const START_UP_MS = 6000;
const UNNAMED = "serprog";

/**
 * Starts a serprog programmer (flashrom serprog-protocol, version 1) as an SPI bridge: pins driven, CS high, 400 kHz where it can be set.
 * With S_SPI_MODE and S_CS_MODE it does everything; without them each transaction has to be one operation, and `capabilities.operation`
 * says how long that may be.
 * @throws BridgeError BRIDGE_SYNC (no serprog programmer answers), BRIDGE_UNSUPPORTED (another protocol version, no SPI),
 * BRIDGE_PROTOCOL, BRIDGE_TIMEOUT; TransportError; UsageError for options that make no sense
 */
export async function openSerprog(open: SerprogOpenOptions): Promise<SerprogBridge> {
  const { transport, clock, log = silentLog } = open;
  try {
    checkOptions(open.options ?? {});
    const deadline = open.deadline ?? deadlineIn(clock, START_UP_MS);
    const engine = await SerprogEngine.start(open, deadline);
    const { name, full } = engine.programmer;
    log.info({ name, port: transport.port.path, fullDuplex: full }, "adapter ready");
    if (!full)
      log.warn(
        { name },
        "the programmer has no full duplex and no chip select hold (0x17, 0x18): each block is an operation of its own, no CMD18 and CMD25, and not every card works",
      );
    return new SerprogDriver(engine, open);
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

class SerprogDriver extends SpiDriver implements SerprogBridge {
  readonly chip: { readonly name: string };
  readonly programmer: Programmer;
  readonly port: SerialPortInfo;

  constructor(engine: SerprogEngine, open: SerprogOpenOptions) {
    super({ engine, clock: open.clock, log: open.log ?? silentLog });
    this.programmer = engine.programmer;
    this.chip = { name: engine.programmer.name || UNNAMED };
    this.port = open.transport.port;
  }
}

class SerprogEngine implements SpiEngine {
  readonly capabilities: BridgeCapabilities;
  readonly programmer: Programmer;
  readonly stepsAhead = 4;
  readonly #parts: SyncParts;
  readonly #link: SerprogLink;
  readonly #cs = new CsTrail();
  readonly #log: Log;
  #frequencyHz: number;

  static async start(open: SerprogOpenOptions, deadline: Deadline): Promise<SerprogEngine> {
    const { transport, clock, options = {} } = open;
    if (options.baudRate !== undefined) await transport.setBaudRate(options.baudRate, deadline);
    const reader = new SerialReader(transport, clock);
    const parts = { transport, reader, clock, bytesPerSecond: lineRate(options) };
    await synchronise(parts, { isProgrammer: false }, deadline);
    const link = new SerprogLink(transport, reader);
    const said = await inquire(link, deadline);
    link.aheadBytes = aheadOf(said);
    await setUp(link, said, "high", deadline);
    const setHz = said.setsFrequency ? await askFirstFrequency(link, deadline) : undefined;
    const programmer = { ...said, setsFrequency: setHz !== undefined };
    logFrequency(open.log ?? silentLog, setHz);
    return new SerprogEngine(open, parts, link, programmer, setHz ?? ASSUMED_FREQUENCY_HZ);
  }

  private constructor(
    open: SerprogOpenOptions,
    parts: SyncParts,
    link: SerprogLink,
    programmer: Programmer,
    frequencyHz: number,
  ) {
    this.#parts = parts;
    this.#link = link;
    this.#log = open.log ?? silentLog;
    this.programmer = programmer;
    this.#frequencyHz = frequencyHz;
    this.capabilities = capabilitiesOf(programmer, open.options ?? {}, frequencyHz);
  }

  get frequencyHz(): number {
    return this.#frequencyHz;
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

  async run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    const commands = this.#encode(step);
    const replies = await Promise.all(commands.map((command) => this.#send(command, deadline)));
    return collectReply(step, commands, replies);
  }

  async setFrequency(frequencyHz: number, deadline: Deadline): Promise<void> {
    const { minFrequencyHz } = this.capabilities;
    if (frequencyHz < minFrequencyHz) {
      throw new UsageError(`this programmer's clock does not go below ${minFrequencyHz} Hz`, {
        details: { frequencyHz, minFrequencyHz },
        hint: `choose ${minFrequencyHz} Hz or more`,
      });
    }
    if (!this.programmer.setsFrequency) return;
    this.#frequencyHz = await askFrequency(this.#link, frequencyHz, deadline);
  }

  stop(error: unknown): Promise<void> {
    this.#link.stop(error);
    return Promise.resolve();
  }

  /** A half-duplex programmer raises CS behind each operation, also behind one that was cut off and then filled up. */
  async restart(deadline: Deadline): Promise<CsLevel> {
    const level = this.programmer.full ? (this.#cs.certain ?? "unknown") : "high";
    await this.#resume(level === "unknown" ? "low" : level, deadline);
    return level;
  }

  /** As other programs expect it: CS high, half duplex, CS by itself, pins let go. */
  async leave(deadline: Deadline): Promise<void> {
    if (this.#link.failure !== undefined) await this.#resume("high", deadline);
    const { full, setsPins } = this.programmer;
    const commands = [
      ...(full
        ? [
            encodeCsMode("high"),
            encodeCommand("setCsMode", CS_MODE.auto),
            encodeCommand("setSpiMode", SPI_MODE.halfDuplex),
          ]
        : []),
      ...(setsPins ? [encodeCommand("setPinState", 0)] : []),
    ];
    await runAll(this.#link, commands, deadline);
  }

  close(): Promise<void> {
    return this.#parts.transport.close();
  }

  #encode(step: PlannerStep): readonly StepCommand[] {
    const { operation } = this.capabilities;
    return operation === undefined
      ? encodeFullDuplex(step.ops, exchangeBytes(this.programmer), this.#cs.last)
      : encodeHalfDuplex(step.ops, operation);
  }

  #send({ command, level }: StepCommand, deadline: Deadline): Promise<Uint8Array> {
    const reply = this.#link.run(command, deadline);
    // A link out of step sends nothing.
    if (level === undefined || this.#link.failure !== undefined) return reply;
    const mark = this.#cs.sent([level]);
    reply.then(() => this.#cs.reached(mark)).catch(() => undefined);
    return reply;
  }

  /**
   * After lost or damaged bytes the programmer may have taken data for commands, or have been reset, so it is told everything again. After
   * a mere abort it is not: that may make the clock twitch.
   */
  async #resume(cs: CsPin, deadline: Deadline): Promise<void> {
    const isSound = errorCode(this.#link.failure) === "BRIDGE_CANCELLED";
    await synchronise(this.#parts, { isProgrammer: true }, deadline);
    this.#link.restart();
    try {
      if (!isSound) await this.#setUpAgain(cs, deadline);
      else if (this.programmer.full) await this.#link.run(encodeCsMode(cs), deadline);
      this.#cs.set(cs);
    } catch (error) {
      this.#link.stop(error);
      throw error;
    }
  }

  async #setUpAgain(cs: CsPin, deadline: Deadline): Promise<void> {
    this.#log.debug({ cs }, "the programmer is set up again");
    await setUp(this.#link, this.programmer, cs, deadline);
    if (!this.programmer.setsFrequency) return;
    this.#frequencyHz = await askFrequency(this.#link, this.#frequencyHz, deadline);
  }
}

/**
 * CS is where it shall be before the pins are driven; and high, if it may be, before the mode changes: whoever was here before may have
 * left it low.
 */
async function setUp(
  link: SerprogLink,
  { commands, full, setsPins }: Programmer,
  cs: CsPin,
  deadline: Deadline,
): Promise<void> {
  const wanted: SerprogCommand[] = [];
  if (commands.has(SERPROG.setBusType)) wanted.push(encodeCommand("setBusType", BUS_SPI));
  const modes = [encodeCommand("setSpiMode", SPI_MODE.fullDuplex), encodeCsMode(cs)];
  if (full) wanted.push(...(cs === "high" ? modes.reverse() : modes));
  if (setsPins) wanted.push(encodeCommand("setPinState", 1));
  await runAll(link, wanted, deadline);
}

async function runAll(
  link: SerprogLink,
  commands: readonly SerprogCommand[],
  deadline: Deadline,
): Promise<void> {
  await Promise.all(commands.map((command) => link.run(command, deadline)));
}

/** The clock that the programmer chose: the next lower one, or its lowest. @throws BridgeError BRIDGE_PROTOCOL if that is none */
async function askFrequency(
  link: SerprogLink,
  frequencyHz: number,
  deadline: Deadline,
): Promise<number> {
  const wanted = Math.max(1, Math.floor(frequencyHz));
  const set = decodeNumber(await link.run(encodeCommand("setSpiFrequency", wanted), deadline));
  if (set > 0) return set;
  throw new BridgeError("BRIDGE_PROTOCOL", "the programmer says that its clock is 0 Hz", {
    details: { opcode: SERPROG.setSpiFrequency, wanted },
  });
}

/** Undefined for a NAK: some firmware knows the command and does nothing. */
async function askFirstFrequency(
  link: SerprogLink,
  deadline: Deadline,
): Promise<number | undefined> {
  try {
    return await askFrequency(link, IDENTIFY_HZ, deadline);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    link.restart();
    return undefined;
  }
}

function logFrequency(log: Log, frequencyHz: number | undefined): void {
  if (frequencyHz === undefined)
    log.warn({ assumedHz: ASSUMED_FREQUENCY_HZ }, "the programmer's clock is fixed and not known");
  else if (frequencyHz > IDENTIFY_HZ)
    log.warn({ frequencyHz }, "the programmer's slowest clock is too fast to identify some cards");
}
