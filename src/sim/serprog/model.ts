import { type SerialTransport, TransportError } from "../../transport/types.js";
import { Board } from "./board.js";
import { SerprogCounters, type SerprogCounts } from "./counters.js";
import type { SerprogFault } from "./faults.js";
import { type SerprogModelOptions, type SerprogSettings, settingsOf } from "./options.js";
import { SerprogPort } from "./port.js";
import { SerialLine } from "./serial-line.js";
import type { Report, SerprogViolation } from "./violations.js";

export type { SerprogCounts } from "./counters.js";
export type { SerprogFault } from "./faults.js";
export {
  BOARDS,
  type SerprogBoardName,
  type SerprogBoardOptions,
  type SerprogModelOptions,
} from "./options.js";
export type { SerprogRule, SerprogViolation } from "./violations.js";

/** When a board is pulled: at a call of its transport, an operation, or a byte of the line (all counted from 0 since it was made). */
export type UnplugPoint =
  | { readonly transfer: number }
  | { readonly operation: number }
  | { readonly byteToBoard: number }
  | { readonly byteToHost: number };

/** What a caller may see of the board. */
export interface SerprogBoardView {
  /** A command is not complete: what comes next is taken for its rest. */
  readonly midCommand: boolean;
  readonly hung: boolean;
  readonly frequencyHz: number;
  readonly cs: "high" | "low";
  readonly pinsDriven: boolean;
  readonly fullDuplex: boolean;
}

/** A board with serprog firmware behind a serial port. */
export interface SerprogModel {
  /**
   * Opens the port; it is free again after `close`, and the board stays as it is.
   * @throws TransportError TRANSPORT_BUSY while it is open, TRANSPORT_DISCONNECTED after an unplug
   */
  transport(): SerialTransport;
  /** Rules that the host broke, in order. */
  readonly violations: readonly SerprogViolation[];
  readonly counters: SerprogCounts;
  readonly board: SerprogBoardView;
  inject(fault: SerprogFault): void;
  /** Takes the board away: now, or at some point. What waits rejects TRANSPORT_DISCONNECTED, and so does what follows. */
  unplug(at?: number | UnplugPoint): void;
  /** Back, as after power-on; old transports stay dead. */
  replug(): void;
  /** Calls of the transport so far. */
  readonly submitted: number;
}

class Model implements SerprogModel {
  readonly #settings: SerprogSettings;
  readonly #counters = new SerprogCounters();
  readonly #violations: SerprogViolation[] = [];
  readonly #line: SerialLine;
  #board: Board;
  #port: SerprogPort | undefined;
  #plugged = true;
  #submitted = 0;
  #operations = 0;
  #deafUntilUs = 0;
  #unplugAt: UnplugPoint | undefined;

  constructor(settings: SerprogSettings) {
    this.#settings = settings;
    this.#line = new SerialLine({
      ...settings,
      toBoard: (bytes) => this.#toBoard(bytes),
      toHost: (bytes) => this.#port?.receive(bytes),
    });
    this.#board = this.#powerOn();
  }

  get violations(): readonly SerprogViolation[] {
    return this.#violations;
  }

  get counters(): SerprogCounts {
    return this.#counters.counts;
  }

  get submitted(): number {
    return this.#submitted;
  }

  get board(): SerprogBoardView {
    const { midCommand, hung, pins } = this.#board;
    const { frequencyHz, cs, driven, fullDuplex } = pins;
    return { midCommand, hung, frequencyHz, cs, pinsDriven: driven, fullDuplex };
  }

  transport(): SerialTransport {
    if (!this.#plugged) throw new TransportError("TRANSPORT_DISCONNECTED", "the board is gone");
    if (this.#port !== undefined)
      throw new TransportError("TRANSPORT_BUSY", `${this.#settings.port.path} is in use`);
    const { clock, port, firmware } = this.#settings;
    this.#deafUntilUs = clock.nowUs() + firmware.bootUs;
    this.#port = new SerprogPort({
      port,
      clock,
      send: (bytes) => this.#send(bytes),
      untilSentUs: () => this.#line.untilSentUs,
      baudRate: (baudRate) => {
        this.#line.garbled = firmware.baudRate !== undefined && firmware.baudRate !== baudRate;
      },
      submitting: () => this.#reach({ transfer: this.#submitted++ }),
      wrote: (bytes) => this.#counters.wrote(bytes),
      read: (bytes) => this.#counters.read(bytes),
      secondRead: () => this.#report("two-reads", clock.nowUs(), "one is under way already"),
      released: () => {
        this.#port = undefined;
      },
    });
    return this.#port;
  }

  inject(fault: SerprogFault): void {
    this.#line.inject(fault);
  }

  unplug(at?: number | UnplugPoint): void {
    if (at !== undefined) {
      this.#unplugAt = typeof at === "number" ? { transfer: at } : at;
      return;
    }
    this.#unplugAt = undefined;
    if (!this.#plugged) return;
    this.#plugged = false;
    this.#line.cut();
    this.#board.stop();
    this.#port?.unplugged();
  }

  replug(): void {
    if (this.#plugged) return;
    this.#plugged = true;
    this.#board = this.#powerOn();
  }

  #powerOn(): Board {
    const { clock, spi, firmware } = this.#settings;
    return new Board({
      clock,
      spi,
      firmware,
      counters: this.#counters,
      report: this.#report,
      answer: (bytes) => this.#answer(bytes),
      operating: () => this.#reach({ operation: this.#operations++ }),
    });
  }

  #send(bytes: Uint8Array): number {
    this.#pass("byteToBoard", bytes, (some) => this.#line.sendToBoard(some));
    return this.#line.untilSentUs;
  }

  #answer(bytes: Uint8Array): void {
    this.#pass("byteToHost", bytes, (some) => this.#line.sendToHost(some));
  }

  /** Bytes in front of the one that the board is pulled at are on their way, and lost with it. */
  #pass(
    which: "byteToBoard" | "byteToHost",
    bytes: Uint8Array,
    pass: (bytes: Uint8Array) => void,
  ): void {
    const first = this.#line.passed(which === "byteToBoard" ? "toBoard" : "toHost");
    const at = this.#unplugAt;
    const byte = at !== undefined && which in at ? (Object.values(at)[0] as number) : Infinity;
    pass(bytes);
    if (byte < first + bytes.length) this.unplug();
  }

  #toBoard(bytes: Uint8Array): void {
    if (this.#settings.clock.nowUs() >= this.#deafUntilUs) this.#board.take(bytes);
  }

  #reach(here: UnplugPoint): void {
    const at = this.#unplugAt;
    if (at === undefined) return;
    const [[name, value] = ["", 0]] = Object.entries(here);
    if ((at as Readonly<Record<string, number>>)[name] === value) this.unplug();
  }

  readonly #report: Report = (rule, atUs, message) => {
    this.#violations.push({ rule, atUs, message });
  };
}

/**
 * A model of a board with serprog firmware, with an SPI device (a card model) on its pins. Runs on the given clock: in no time on
 * a simulated one, in real time on a real one.
 */
export function createSerprogModel(options: SerprogModelOptions): SerprogModel {
  return new Model(settingsOf(options));
}
