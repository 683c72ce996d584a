import { TransportError, type UsbDeviceInfo, type UsbTransport } from "../../transport/types.js";
import { InternalError } from "../../util/errors.js";
import type { SpiDevice } from "../spi-device.js";
import { UsbLink } from "../usb/link.js";
import { type ChannelState, FtdiChannel } from "./channel.js";
import { FtdiCounters, type FtdiCounts, sumCounts } from "./counters.js";
import { FaultPlan, type FtdiFault } from "./faults.js";
import { type FtdiModelOptions, type FtdiSettings, settingsOf } from "./options.js";
import { FtdiPort } from "./port.js";
import type { FtdiViolation, Report } from "./violations.js";

export type { FtdiCounts } from "./counters.js";
export type { FtdiFault } from "./faults.js";
export type { FtdiModelChip, FtdiModelOptions } from "./options.js";
export type { FtdiRule, FtdiViolation } from "./violations.js";

/** The state of a whole chip: plain data, good for any model made with the same options, at any time of its clock. */
export interface FtdiModelState {
  readonly channels: readonly ChannelState[];
}

/** What a caller may see of the chip's engine. */
export interface FtdiEngineView {
  /** A command is not complete, or still runs: what comes next is taken for its rest. */
  readonly midCommand: boolean;
  /** An unbounded wait goes on. */
  readonly stuck: boolean;
  readonly frequencyHz: number;
  readonly cs: "high" | "low";
  /** Bytes clocked on the SPI pins since the model was made; parts of bytes counted as such. */
  readonly spiBytes: number;
}

/** An FT232H, FT2232H or FT4232H at the level of USB transfers. */
export interface FtdiModel {
  /** What its descriptors say. */
  readonly device: UsbDeviceInfo;
  /** wMaxPacketSize of its bulk endpoints. */
  readonly packetSize: 512 | 64;
  /** Numbers of the interfaces, and the endpoint addresses of each. */
  readonly interfaces: readonly {
    readonly number: number;
    readonly endpoints: readonly number[];
  }[];
  /**
   * Claims an interface; it is free again after `close`, and so is the chip: engine and pins stay as they are.
   * @throws TransportError TRANSPORT_BUSY while it is claimed, TRANSPORT_DISCONNECTED after an unplug,
   * TRANSPORT_NOT_FOUND if the chip has no such interface
   */
  transport(interfaceNumber: number): UsbTransport;
  /** Rules of the chip that its host broke, in order. */
  readonly violations: readonly FtdiViolation[];
  readonly counters: FtdiCounts;
  /** Of the channel that the SPI device is wired to. */
  readonly engine: FtdiEngineView;
  inject(fault: FtdiFault): void;
  /**
   * Takes the chip off the bus: now, or when the transfer of this index (all submissions counted from 0, control
   * requests too) is submitted. Everything in flight rejects TRANSPORT_DISCONNECTED, and so does what follows.
   */
  unplug(atTransferIndex?: number): void;
  /** Back on the bus, as after power-on; old transports stay dead. */
  replug(): void;
  /** Transfers submitted so far, control requests too. */
  readonly submitted: number;
  /** @throws InternalError while a transfer is in flight */
  snapshot(): FtdiModelState;
  /** The SPI device is restored by its owner. @throws InternalError while a transfer is in flight */
  restore(state: FtdiModelState): void;
}

/** Nothing is wired: MISO is pulled up. */
const NO_DEVICE: SpiDevice = {
  setCs: () => undefined,
  exchange: (_mosi, miso, length) => {
    miso?.fill(0xff, 0, length);
  },
  peek: () => 0xff,
};

interface Slot {
  readonly channel: FtdiChannel;
  readonly link: UsbLink;
  port: FtdiPort | undefined;
}

class Model implements FtdiModel {
  readonly #settings: FtdiSettings;
  readonly #faults = new FaultPlan();
  readonly #violations: FtdiViolation[] = [];
  readonly #counters: readonly FtdiCounters[];
  #slots: readonly Slot[];
  #plugged = true;
  #submitted = 0;
  #unplugAt = Infinity;

  constructor(settings: FtdiSettings) {
    this.#settings = settings;
    this.#counters = Array.from({ length: settings.interfaces }, () => new FtdiCounters());
    this.#slots = this.#powerOn();
  }

  get device(): UsbDeviceInfo {
    return this.#settings.device;
  }

  get packetSize(): 512 | 64 {
    return this.#settings.packetSize;
  }

  get interfaces(): FtdiModel["interfaces"] {
    return this.#slots.map((_, number) => ({
      number,
      endpoints: [2 * number + 2, 0x80 + 2 * number + 1],
    }));
  }

  get violations(): readonly FtdiViolation[] {
    this.#catchUp();
    return this.#violations;
  }

  get counters(): FtdiCounts {
    return sumCounts(this.#counters.map((counters) => counters.counts));
  }

  get submitted(): number {
    return this.#submitted;
  }

  get engine(): FtdiEngineView {
    this.#catchUp();
    const { channel } = this.#slots[this.#settings.channel === "B" ? 1 : 0] as Slot;
    return {
      midCommand: channel.engine.midCommand,
      stuck: channel.engine.stuck,
      frequencyHz: channel.engine.frequencyHz,
      cs: channel.cs,
      spiBytes: channel.clockedBytes,
    };
  }

  transport(interfaceNumber: number): UsbTransport {
    const slot = this.#slots[interfaceNumber];
    if (!this.#plugged) throw new TransportError("TRANSPORT_DISCONNECTED", "the adapter is gone");
    if (slot === undefined)
      throw new TransportError("TRANSPORT_NOT_FOUND", `no interface ${interfaceNumber}`);
    if (slot.port !== undefined)
      throw new TransportError("TRANSPORT_BUSY", `interface ${interfaceNumber} is in use`);
    slot.port = this.#makePort(interfaceNumber, slot);
    return slot.port;
  }

  inject(fault: FtdiFault): void {
    this.#faults.add(fault);
  }

  unplug(atTransferIndex: number | undefined = undefined): void {
    if (atTransferIndex !== undefined) {
      this.#unplugAt = atTransferIndex;
      return;
    }
    this.#unplugAt = Infinity;
    this.#plugged = false;
    for (const slot of this.#slots) {
      slot.link.move();
      slot.link.cut();
      slot.port?.unplugged();
    }
  }

  replug(): void {
    if (this.#plugged) return;
    this.#plugged = true;
    this.#slots = this.#powerOn();
  }

  snapshot(): FtdiModelState {
    const nowUs = this.#settled();
    return { channels: this.#slots.map((slot) => slot.channel.save(nowUs)) };
  }

  restore(state: FtdiModelState): void {
    const nowUs = this.#settled();
    this.#slots.forEach((slot, at) => {
      slot.channel.restore(state.channels[at] as ChannelState, nowUs);
      slot.link.move();
    });
  }

  #settled(): number {
    this.#catchUp();
    if (this.#slots.some((slot) => slot.link.flights > 0))
      throw new InternalError("a transfer is in flight: the chip has no state of its own now");
    return this.#settings.clock.nowUs();
  }

  #catchUp(): void {
    if (this.#plugged) for (const slot of this.#slots) slot.link.move();
  }

  #powerOn(): Slot[] {
    return Array.from({ length: this.#settings.interfaces }, (_, number) => {
      const wired = number === (this.#settings.channel === "B" ? 1 : 0);
      const spi = wired ? this.#settings.spi : NO_DEVICE;
      spi.setCs("high");
      const channel = new FtdiChannel(number, this.#settings, spi, this.#report);
      const link = new UsbLink(this.#settings.clock, this.#settings.roundTripUs, channel);
      return { channel, link, port: undefined };
    });
  }

  #makePort(interfaceNumber: number, slot: Slot): FtdiPort {
    const { device, packetSize, clock } = this.#settings;
    return new FtdiPort({
      interfaceNumber,
      device,
      packetSize,
      clock,
      channel: slot.channel,
      link: slot.link,
      counters: this.#counters[interfaceNumber] as FtdiCounters,
      faults: this.#faults,
      report: this.#report,
      submitting: () => {
        if (this.#submitted++ === this.#unplugAt) this.unplug();
      },
      released: () => {
        slot.port = undefined;
      },
    });
  }

  readonly #report: Report = (rule, atUs, message) => {
    this.#violations.push({ rule, atUs, message });
  };
}

/**
 * A model of one FTDI chip on a USB bus, with an SPI device (a card model) on its pins. Runs on the
 * given clock: in no time on a simulated one, in real time on a real one.
 */
export function createFtdiModel(options: FtdiModelOptions): FtdiModel {
  return new Model(settingsOf(options));
}
