import { TransportError, type UsbDeviceInfo, type UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { BulkPort } from "./bulk-port.js";
import { UsbCounters, type UsbCounts } from "./counters.js";
import { FaultPlan, type UsbFault } from "./faults.js";
import { UsbLink } from "./link.js";
import { type PacketChip, PacketPipe } from "./packet-pipe.js";

/** What is the same for every chip model of vendor class with one interface and a bulk endpoint each way. */
export interface BulkModel {
  /** What its descriptors say. */
  readonly device: UsbDeviceInfo;
  /** wMaxPacketSize of its bulk endpoints. */
  readonly packetSize: number;
  /** Numbers of the interfaces, and the endpoint addresses of each. */
  readonly interfaces: readonly {
    readonly number: number;
    readonly endpoints: readonly number[];
  }[];
  /**
   * Claims the interface; it is free again after `close`, and the chip stays as it is.
   * @throws TransportError TRANSPORT_BUSY while it is claimed, TRANSPORT_DISCONNECTED after an unplug,
   * TRANSPORT_NOT_FOUND if the chip has no such interface
   */
  transport(interfaceNumber?: number): UsbTransport;
  readonly counters: UsbCounts;
  inject(fault: UsbFault): void;
  /**
   * Takes the chip off the bus: now, or when the transfer of this index (all submissions counted from 0, control
   * requests too) is submitted. Everything in flight rejects TRANSPORT_DISCONNECTED, and so does what follows.
   */
  unplug(atTransferIndex?: number): void;
  /** Back on the bus, as after power-on; old transports stay dead. */
  replug(): void;
  /** Transfers submitted so far, control requests too. */
  readonly submitted: number;
}

export interface BulkModelParts<C extends PacketChip> {
  readonly clock: Clock;
  /** Half of it each way. */
  readonly roundTripUs: number;
  readonly device: UsbDeviceInfo;
  readonly interfaceNumber: number;
  readonly endpoints: { readonly out: number; readonly in: number };
  readonly packetSize: number;
  /** Time of a packet on the bus. */
  readonly packetUs: number;
  /** The chip as after power-on; called once at first, and at each {@link BulkModel.replug}. */
  readonly powerOn: () => C;
  /** An IN transfer whose length is no multiple of the packet size was asked for. */
  readonly oddInLength: (length: number, atUs: number) => void;
}

interface Powered<C> {
  readonly chip: C;
  readonly pipe: PacketPipe;
  readonly link: UsbLink;
}

/** The bus side of such a model: claiming, unplugging, faults, counts. A chip's model adds what the chip is. */
export class BulkModelBase<C extends PacketChip> implements BulkModel {
  readonly #parts: BulkModelParts<C>;
  readonly #faults = new FaultPlan();
  readonly #counters = new UsbCounters();
  #powered: Powered<C>;
  #port: BulkPort | undefined;
  #plugged = true;
  #submitted = 0;
  #unplugAt = Infinity;
  /** Packets that went through chips before the last replug. */
  #packetsBefore = { outPackets: 0, inPackets: 0 };

  constructor(parts: BulkModelParts<C>) {
    this.#parts = parts;
    this.#powered = this.#powerOn();
  }

  get device(): UsbDeviceInfo {
    return this.#parts.device;
  }

  get packetSize(): number {
    return this.#parts.packetSize;
  }

  get interfaces(): BulkModel["interfaces"] {
    const { interfaceNumber, endpoints } = this.#parts;
    return [{ number: interfaceNumber, endpoints: [endpoints.out, endpoints.in] }];
  }

  get counters(): UsbCounts {
    this.catchUp();
    const { outPackets, inPackets } = this.#powered.pipe.counts;
    return {
      ...this.#counters.counts,
      outPackets: this.#packetsBefore.outPackets + outPackets,
      inPackets: this.#packetsBefore.inPackets + inPackets,
    };
  }

  get submitted(): number {
    return this.#submitted;
  }

  /** IN transfers that wait at the chip. */
  get posted(): number {
    return this.#powered.pipe.posted;
  }

  transport(interfaceNumber: number = this.#parts.interfaceNumber): UsbTransport {
    const number = this.#parts.interfaceNumber;
    if (!this.#plugged) throw new TransportError("TRANSPORT_DISCONNECTED", "the adapter is gone");
    if (interfaceNumber !== number)
      throw new TransportError("TRANSPORT_NOT_FOUND", `no interface ${interfaceNumber}`);
    if (this.#port !== undefined)
      throw new TransportError("TRANSPORT_BUSY", `interface ${number} is in use`);
    const port = this.#makePort(() => {
      if (this.#port === port) this.#port = undefined;
    });
    this.#port = port;
    return port;
  }

  inject(fault: UsbFault): void {
    this.#faults.add(fault);
  }

  unplug(atTransferIndex: number | undefined = undefined): void {
    if (atTransferIndex !== undefined) {
      this.#unplugAt = atTransferIndex;
      return;
    }
    this.#unplugAt = Infinity;
    this.#plugged = false;
    const { pipe, link } = this.#powered;
    link.move();
    pipe.clear();
    link.cut();
    this.#port?.unplugged();
    this.#port = undefined;
  }

  replug(): void {
    if (this.#plugged) return;
    this.#packetsBefore = this.counters;
    this.#plugged = true;
    this.#powered = this.#powerOn();
  }

  /** The chip, up to now. */
  protected get chip(): C {
    this.catchUp();
    return this.#powered.chip;
  }

  protected catchUp(): void {
    if (this.#plugged) this.#powered.link.move();
  }

  #powerOn(): Powered<C> {
    const { clock, roundTripUs } = this.#parts;
    const chip = this.#parts.powerOn();
    const pipe = new PacketPipe(chip, this.#parts);
    return { chip, pipe, link: new UsbLink(clock, roundTripUs, pipe) };
  }

  #makePort(released: () => void): BulkPort {
    const { pipe, link } = this.#powered;
    return new BulkPort({
      ...this.#parts,
      chip: pipe,
      link,
      counters: this.#counters,
      faults: this.#faults,
      submitting: () => {
        if (this.#submitted++ === this.#unplugAt) this.unplug();
      },
      released,
    });
  }
}
