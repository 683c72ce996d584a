import type { ChipSettings, SpiSettings } from "../../bridge/mcp2210/decoder.js";
import { type HidTransport, TransportError } from "../../transport/types.js";
import { Mcp2210Chip } from "./chip.js";
import { Mcp2210Counters, type Mcp2210Counts } from "./counters.js";
import { FaultPlan, type Mcp2210Fault } from "./faults.js";
import { type Mcp2210ModelOptions, type Mcp2210Settings, settingsOf } from "./options.js";
import { Mcp2210Port } from "./port.js";
import type { Mcp2210Violation, Report } from "./violations.js";

export type { Mcp2210Counts } from "./counters.js";
export type { Mcp2210Fault } from "./faults.js";
export type { Mcp2210ModelOptions } from "./options.js";
export type { Mcp2210Rule, Mcp2210Violation } from "./violations.js";

/** What a caller may see of the chip. */
export interface Mcp2210View {
  readonly frequencyHz: number;
  readonly cs: "high" | "low";
  /** Bit n = level of GPn. */
  readonly levels: number;
  /** An SPI transaction is not over. */
  readonly transferring: boolean;
  readonly spiSettings: SpiSettings;
  readonly chipSettings: ChipSettings;
}

/** An MCP2210 at the level of HID reports. */
export interface Mcp2210Model {
  /**
   * Claims the device; it is free again after `close`, and the chip stays as it is.
   * @throws TransportError TRANSPORT_BUSY while it is claimed, TRANSPORT_DISCONNECTED after an unplug
   */
  transport(): HidTransport;
  /** Rules of the chip that its host broke, in order. */
  readonly violations: readonly Mcp2210Violation[];
  readonly counters: Mcp2210Counts;
  readonly chip: Mcp2210View;
  inject(fault: Mcp2210Fault): void;
  /** Another master takes the SPI bus, or gives it back. */
  externalMaster(holds: boolean): void;
  /**
   * Takes the chip off the bus: now, or when the transfer of this index (reports written and reads, counted from 0) is submitted.
   * Everything in flight rejects TRANSPORT_DISCONNECTED, and so does what follows.
   */
  unplug(atTransferIndex?: number): void;
  /** Back on the bus, as after power-on; old transports stay dead. */
  replug(): void;
  /** Transfers submitted so far: reports written, and reads. */
  readonly submitted: number;
}

class Model implements Mcp2210Model {
  readonly #settings: Mcp2210Settings;
  readonly #faults = new FaultPlan();
  readonly #violations: Mcp2210Violation[] = [];
  readonly #counters = new Mcp2210Counters();
  #chip: Mcp2210Chip;
  #port: Mcp2210Port | undefined;
  #plugged = true;
  #submitted = 0;
  #unplugAt = Infinity;

  constructor(settings: Mcp2210Settings) {
    this.#settings = settings;
    this.#chip = this.#powerOn();
  }

  get violations(): readonly Mcp2210Violation[] {
    this.#catchUp();
    return this.#violations;
  }

  get counters(): Mcp2210Counts {
    this.#catchUp();
    return this.#counters.counts;
  }

  get submitted(): number {
    return this.#submitted;
  }

  get chip(): Mcp2210View {
    this.#catchUp();
    const { cs, levels, transferring, spiSettings, chipSettings } = this.#chip;
    const frequencyHz = spiSettings.bitRateHz;
    return { cs, levels, transferring, spiSettings, chipSettings, frequencyHz };
  }

  transport(): HidTransport {
    if (!this.#plugged) throw new TransportError("TRANSPORT_DISCONNECTED", "the adapter is gone");
    if (this.#port !== undefined)
      throw new TransportError("TRANSPORT_BUSY", "the adapter is in use");
    this.#port = this.#makePort(this.#chip);
    return this.#port;
  }

  inject(fault: Mcp2210Fault): void {
    this.#faults.add(fault);
  }

  externalMaster(holds: boolean): void {
    this.#catchUp();
    this.#chip.externalMaster = holds;
  }

  unplug(atTransferIndex: number | undefined = undefined): void {
    if (atTransferIndex !== undefined) {
      this.#unplugAt = atTransferIndex;
      return;
    }
    this.#unplugAt = Infinity;
    this.#catchUp();
    this.#plugged = false;
    this.#port?.unplugged();
  }

  replug(): void {
    if (this.#plugged) return;
    this.#plugged = true;
    this.#port = undefined;
    this.#chip = this.#powerOn();
  }

  #catchUp(): void {
    if (!this.#plugged) return;
    this.#port?.catchUp();
    this.#chip.advance(this.#settings.clock.nowUs());
  }

  #powerOn(): Mcp2210Chip {
    return new Mcp2210Chip(this.#settings, this.#counters, this.#report);
  }

  #makePort(chip: Mcp2210Chip): Mcp2210Port {
    const { clock, device, roundTripUs } = this.#settings;
    const port: Mcp2210Port = new Mcp2210Port({
      clock,
      device,
      roundTripUs,
      counters: this.#counters,
      faults: this.#faults,
      report: this.#report,
      arrived: (report, atUs) => chip.command(report, atUs),
      submitting: () => {
        if (this.#submitted++ === this.#unplugAt) this.unplug();
      },
      released: () => {
        if (this.#port === port) this.#port = undefined;
      },
    });
    return port;
  }

  readonly #report: Report = (rule, atUs, message) => {
    this.#violations.push({ rule, atUs, message });
  };
}

/**
 * A model of an MCP2210 on a USB bus, with an SPI device (a card model) on its pins and GP0 as that device's chip select. Runs on the
 * given clock: in no time on a simulated one, in real time on a real one.
 */
export function createMcp2210Model(options: Mcp2210ModelOptions): Mcp2210Model {
  return new Model(settingsOf(options));
}
