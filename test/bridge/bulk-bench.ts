import { SimClock } from "../../src/sim/clock.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import type { BulkModel } from "../../src/sim/usb/bulk-model.js";
import type { AdapterBridge, Segment, SpiBridge } from "../../src/spi/bridge.js";
import type { CassetteHeader } from "../../src/transport/cassette.js";
import type { UsbTransfer, UsbTransport } from "../../src/transport/types.js";
import { toHex } from "../../src/util/bytes.js";
import type { Clock } from "../../src/util/clock.js";
import { type Deadline, deadlineIn } from "../../src/util/deadline.js";
import { CountingDevice, expectBytes, expected, transaction } from "./ftdi/support.js";

export const SELECT: Segment = { kind: "select" };
export const DESELECT: Segment = { kind: "deselect" };

/** A chip model with one interface and a bulk endpoint each way. */
export type CheckedModel = BulkModel & {
  readonly violations: readonly { readonly rule: string; readonly message: string }[];
  readonly engine: { readonly cs: "high" | "low" };
};

/** Such a model with a device on its pins, and the driver over it. */
export class BulkBench<
  M extends CheckedModel = CheckedModel,
  B extends AdapterBridge = AdapterBridge,
> {
  readonly clock: SimClock;
  readonly device: CountingDevice = new CountingDevice();
  readonly model: M;
  readonly #open: (transport: UsbTransport, clock: Clock) => Promise<B>;

  constructor(
    make: (parts: { readonly clock: Clock; readonly spi: SpiDevice }) => M,
    open: (transport: UsbTransport, clock: Clock) => Promise<B>,
  ) {
    this.clock = new SimClock();
    this.model = make({ clock: this.clock, spi: this.device });
    this.#open = open;
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  open(wrap: (transport: UsbTransport) => UsbTransport = (same) => same): Promise<B> {
    return this.#open(wrap(this.model.transport()), this.clock);
  }

  /** Opened, at the highest clock. */
  async opened(): Promise<B> {
    const bridge = await this.open();
    await bridge.configure({ frequencyHz: bridge.capabilities.maxFrequencyHz });
    return bridge;
  }

  rules(): string[] {
    return this.model.violations.map(({ rule, message }) => `${rule}: ${message}`);
  }
}

/** A read, and where it goes. */
export function reading(length: number): { readonly into: Uint8Array; readonly segment: Segment } {
  const into = new Uint8Array(length);
  return { into, segment: { kind: "read", into } };
}

/** Reads `length` bytes in a CS frame of its own, and checks them. */
export async function readFrame(
  bench: BulkBench,
  bridge: SpiBridge,
  length: number,
  ms = 3000,
): Promise<void> {
  const { into, segment } = reading(length);
  await bridge.submit(transaction(DESELECT, SELECT, segment), bench.in(ms));
  expectBytes(into, expected(0, length));
}

/** A transport that tells what passes through it. */
export class WatchedBulk implements UsbTransport {
  readonly device: UsbTransport["device"];
  /** OUT transfers in hex, with the IN transfers in flight as each was submitted. */
  readonly outs: { readonly hex: string; readonly reading: number }[] = [];
  /** Lengths of IN transfers. */
  readonly ins: number[] = [];
  closed = 0;
  #reading = 0;
  readonly #inner: UsbTransport;

  constructor(inner: UsbTransport) {
    this.#inner = inner;
    this.device = inner.device;
  }

  packetSize(endpoint: number): number {
    return this.#inner.packetSize(endpoint);
  }

  controlOut(...request: Parameters<UsbTransport["controlOut"]>): Promise<void> {
    return this.#inner.controlOut(...request);
  }

  controlIn(...request: Parameters<UsbTransport["controlIn"]>): Promise<Uint8Array> {
    return this.#inner.controlIn(...request);
  }

  bulkOut(...request: Parameters<UsbTransport["bulkOut"]>): UsbTransfer<void> {
    this.outs.push({ hex: toHex(request[1]), reading: this.#reading });
    return this.#inner.bulkOut(...request);
  }

  bulkIn(...request: Parameters<UsbTransport["bulkIn"]>): UsbTransfer<Uint8Array> {
    this.ins.push(request[1]);
    this.#reading++;
    const transfer = this.#inner.bulkIn(...request);
    const over = (): void => {
      this.#reading--;
    };
    transfer.done.then(over, over);
    return transfer;
  }

  async close(): Promise<void> {
    this.closed++;
    await this.#inner.close();
  }
}

/** Opens with the transfers watched. */
export async function watched<M extends CheckedModel, B extends AdapterBridge>(
  bench: BulkBench<M, B>,
): Promise<{ readonly bridge: B; readonly usb: WatchedBulk }> {
  let usb: WatchedBulk | undefined;
  const bridge = await bench.open((transport) => {
    usb = new WatchedBulk(transport);
    return usb;
  });
  return { bridge, usb: usb as WatchedBulk };
}

/** Of a recording. */
export function headerOf(
  bridge: CassetteHeader["bridge"],
  { device, packetSize, interfaces }: BulkModel,
): CassetteHeader {
  const endpoints = interfaces.flatMap((one) => one.endpoints);
  return {
    cassette: 1,
    transport: "usb",
    bridge,
    tool: "0.0.0",
    zlib: "1.3",
    device: { ...device },
    deviceString: "test",
    packetSizes: Object.fromEntries(endpoints.map((endpoint) => [String(endpoint), packetSize])),
    capabilities: {},
    arguments: [],
    wallTimeMs: 1_767_323_045_000,
    randomSeed: "00",
  };
}
