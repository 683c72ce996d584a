import { stripStatus } from "../../../src/bridge/ftdi/decoder.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createFtdiModel,
  type FtdiModel,
  type FtdiModelOptions,
} from "../../../src/sim/ftdi/model.js";
import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";
import type { UsbTransfer, UsbTransport } from "../../../src/transport/types.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";

/** Answers each byte with the one before it, the first of a CS frame with 0xA5; MISO floats high while CS is high. */
export class EchoDevice implements SpiDevice {
  /** `cs low`, `cs high`, and the hex of what was clocked between. */
  readonly log: string[] = [];
  readonly timings: ByteTiming[] = [];
  #last = 0xa5;
  #cs: "high" | "low" = "high";

  setCs(level: "high" | "low"): void {
    this.#cs = level;
    this.#last = 0xa5;
    this.log.push(`cs ${level}`);
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    this.timings.push(timing);
    let seen = "";
    for (let at = 0; at < length; at++) {
      const byte = mosi?.[at] ?? 0xff;
      if (miso !== undefined) miso[at] = this.peek();
      this.#last = byte;
      if (length <= 32) seen += byte.toString(16).padStart(2, "0");
    }
    this.log.push(length <= 32 ? seen : `${length} bytes`);
  }

  peek(): number {
    return this.#cs === "low" ? this.#last : 0xff;
  }
}

/** A card that is busy (MISO low) from the first clock after CS falls until a point of time, or for a number of bits. */
export class BusyDevice extends EchoDevice {
  bitsLeft = 0;
  readyAtUs = 0;

  override exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    for (let at = 0; at < length; at++) {
      const byte = this.peekAt(timing.startUs + at * timing.usPerByte);
      if (miso !== undefined) miso[at] = byte;
      this.bitsLeft = Math.max(0, this.bitsLeft - 8);
    }
    super.exchange(mosi, undefined, length, timing);
  }

  override peek(atUs = 0): number {
    return this.peekAt(atUs);
  }

  private peekAt(atUs: number): number {
    if (atUs < this.readyAtUs) return 0;
    return this.bitsLeft >= 8 ? 0 : 0xff >> this.bitsLeft;
  }
}

export const OUT = 0x02;
export const IN = 0x81;

/** A model, its transport, and the few things that every test does with them. */
export class Bench {
  readonly clock: SimClock;
  readonly spi: EchoDevice;
  readonly model: FtdiModel;
  readonly usb: UsbTransport;
  readonly packetSize: number;

  constructor(options: Partial<FtdiModelOptions> = {}) {
    this.clock = new SimClock();
    this.spi = (options.spi as EchoDevice | undefined) ?? new EchoDevice();
    this.model = createFtdiModel({ spi: this.spi, ...options, clock: this.clock });
    this.usb = this.model.transport(0);
    this.packetSize = options.packetSize ?? 512;
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  async control(request: number, value: number): Promise<void> {
    const setup = { requestType: 0x40, request, value, index: 1 };
    await this.usb.controlOut(setup, new Uint8Array(0), this.in());
  }

  /** Latency 255 ms so that only full packets and 87 answer, MPSSE on, 60 MHz base, SCK = 30 MHz / (1 + divisor), pins set. */
  async mpsse(divisor = 0): Promise<void> {
    await this.control(0x09, 255);
    await this.control(0x0b, 0x0000);
    await this.control(0x0b, 0x020b);
    await this.write(
      `8a 97 8d 85 86 ${toHex(Uint8Array.of(divisor & 0xff, divisor >> 8))} 80 0a 0b`,
    );
  }

  out(script: string | Uint8Array, ms = 1000): UsbTransfer<void> {
    const data = typeof script === "string" ? fromHex(script) : script;
    return this.usb.bulkOut(OUT, data, this.in(ms));
  }

  async write(script: string | Uint8Array): Promise<void> {
    await this.out(script).done;
  }

  post(length = 65536, ms = 1000): UsbTransfer<Uint8Array> {
    return this.usb.bulkIn(IN, length, this.in(ms));
  }

  strip(transfer: Uint8Array): Uint8Array {
    const into = new Uint8Array(transfer.length);
    return into.slice(0, stripStatus(transfer, this.packetSize, into, 0));
  }

  /** Runs a script and reads until `count` bytes of payload have come. */
  async run(script: string | Uint8Array, count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let have = 0;
    let posted = this.post();
    const sent = this.out(script);
    while (have < count) {
      const payload = this.strip(await posted.done);
      parts.push(payload);
      have += payload.length;
      if (have < count) posted = this.post();
    }
    await sent.done;
    return concatBytes(parts);
  }

  rules(): string[] {
    return this.model.violations.map((violation) => violation.rule);
  }
}

/** A full-duplex shift of `data` (opcode 31 unless told). */
export function shift(data: Uint8Array, opcode = 0x31): Uint8Array {
  const length = data.length - 1;
  return concatBytes([Uint8Array.of(opcode, length & 0xff, length >> 8), data]);
}

/** Bytes that repeat at no packet border. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) * 13 + 1) & 0xff);
}
