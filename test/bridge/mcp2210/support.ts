import { type Mcp2210Bridge, openMcp2210 } from "../../../src/bridge/mcp2210/driver.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createMcp2210Model,
  type Mcp2210Model,
  type Mcp2210ModelOptions,
} from "../../../src/sim/mcp2210/model.js";
import type { CassetteHeader } from "../../../src/transport/cassette.js";
import type { HidTransport } from "../../../src/transport/types.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import { CountingDevice } from "../ftdi/support.js";

/** Of a recording. */
export const HEADER: CassetteHeader = {
  cassette: 1,
  transport: "hid",
  bridge: "mcp2210",
  tool: "0.0.0",
  zlib: "1.3",
  device: { vendorId: 0x04d8, productId: 0x00de, bcdDevice: 2, path: "/dev/hidraw0" },
  deviceString: "mcp2210",
  packetSizes: {},
  capabilities: {},
  arguments: [],
  wallTimeMs: 1_767_323_045_000,
  randomSeed: "00",
};

/** A report of 64 bytes that begins as given, the rest 0. */
export function report(hex: string): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(fromHex(hex));
  return bytes;
}

/** A chip model with a device on its pins, and the driver over it. */
export class Bench {
  readonly clock: SimClock;
  readonly device: CountingDevice = new CountingDevice();
  readonly model: Mcp2210Model;

  constructor(options: Partial<Mcp2210ModelOptions> = {}) {
    this.clock = new SimClock();
    this.model = createMcp2210Model({ spi: this.device, ...options, clock: this.clock });
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  open(wrap: (transport: HidTransport) => HidTransport = (same) => same): Promise<Mcp2210Bridge> {
    return openMcp2210({ transport: wrap(this.model.transport()), clock: this.clock });
  }

  rules(): string[] {
    return this.model.violations.map(({ rule, message }) => `${rule}: ${message}`);
  }
}

/** A transport that tells what is written. */
export class WatchedHid implements HidTransport {
  readonly device: HidTransport["device"];
  /** Reports written, in hex, zeros at the end cut off. */
  readonly written: string[] = [];
  closed = 0;
  readonly #inner: HidTransport;

  constructor(inner: HidTransport) {
    this.#inner = inner;
    this.device = inner.device;
  }

  writeReport(bytes: Uint8Array, deadline: Deadline): Promise<void> {
    this.written.push(toHex(bytes).replace(/(00)+$/, ""));
    return this.#inner.writeReport(bytes, deadline);
  }

  readReport(deadline: Deadline): Promise<Uint8Array> {
    return this.#inner.readReport(deadline);
  }

  async close(): Promise<void> {
    this.closed++;
    await this.#inner.close();
  }
}
