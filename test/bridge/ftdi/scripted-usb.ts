import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "../../../src/transport/types.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import type { Clock, Timer } from "../../../src/util/clock.js";
import { type Deadline, remainingUs } from "../../../src/util/deadline.js";

const LATENCY_US = 1000;

/** What the device says to an OUT transfer: whole IN transfers in hex, status bytes and all. */
export type Answer = (script: string, count: number) => readonly string[];

interface Reader {
  readonly deliver: (data: Uint8Array) => void;
  readonly timer: Timer;
}

/** A device of which only the USB side exists: what it sends, and when it is silent, is up to the test. */
export class ScriptedUsb implements UsbTransport {
  readonly device: UsbDeviceInfo;
  /** `control 0b 0200`, `out aa87`, `in 4608`, `cancel`, `close`. */
  readonly log: string[] = [];
  /** An idle IN ends by the latency timer. */
  idleAnswers = true;
  inFlight = 0;
  readonly #clock: Clock;
  readonly #answer: Answer;
  readonly #ready: Uint8Array[] = [];
  readonly #readers: Reader[] = [];
  #outs = 0;

  constructor(clock: Clock, answer: Answer, device: Partial<UsbDeviceInfo> = {}) {
    this.#clock = clock;
    this.#answer = answer;
    this.device = {
      vendorId: 0x0403,
      productId: 0x6014,
      bcdDevice: 0x0900,
      portPath: "1-1",
      ...device,
    };
  }

  packetSize(): number {
    return 512;
  }

  async controlOut(setup: UsbControlSetup): Promise<void> {
    const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
    this.log.push(`control ${hex(setup.request, 2)} ${hex(setup.value, 4)} ${hex(setup.index, 4)}`);
    await this.#clock.sleep(50);
  }

  async controlIn(setup: UsbControlSetup): Promise<Uint8Array> {
    await this.controlOut(setup);
    return Uint8Array.of(0x0a);
  }

  bulkOut(_endpoint: number, data: Uint8Array): UsbTransfer<void> {
    this.log.push(`out ${toHex(data)}`);
    const answers = this.#answer(toHex(data), this.#outs++).map(fromHex);
    const done = this.#clock.sleep(50).then(() => {
      this.#ready.push(...answers);
      this.#serve();
    });
    return { done, cancel: () => undefined };
  }

  bulkIn(_endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    this.log.push(`in ${length}`);
    this.inFlight++;
    let cancel: () => void = () => undefined;
    const done = new Promise<Uint8Array>((resolve, reject) => {
      const late = remainingUs(this.#clock, deadline);
      const idle = this.idleAnswers && late > LATENCY_US;
      const timer = this.#clock.timer(idle ? LATENCY_US : late, () => {
        if (idle) reader.deliver(fromHex("3260"));
        else end(() => reject(new TransportError("TRANSPORT_TIMEOUT", "late")));
      });
      const end = (settle: () => void): void => {
        const at = this.#readers.indexOf(reader);
        if (at < 0) return;
        this.#readers.splice(at, 1);
        this.inFlight--;
        timer.cancel();
        settle();
      };
      const reader: Reader = { timer, deliver: (data) => end(() => resolve(data)) };
      this.#readers.push(reader);
      cancel = () => {
        this.log.push("cancel");
        end(() => reject(new TransportError("TRANSPORT_CANCELLED", "cancelled")));
      };
    });
    this.#serve();
    return { done, cancel };
  }

  async close(): Promise<void> {
    this.log.push("close");
  }

  #serve(): void {
    while (this.#ready.length > 0 && this.#readers[0] !== undefined) {
      this.#readers[0].deliver(this.#ready.shift() as Uint8Array);
    }
  }
}

/** Answers as a sound MPSSE does to what the start-up sends: AA, AB, loopback, one byte for 81. */
export function soundAnswer(script: string): readonly string[] {
  const sync = /^(a[ab])87$/.exec(script);
  if (sync !== null) return [`3260fa${sync[1]}`];
  if (script.endsWith("8187")) return ["32600a"];
  const loopback = /^8431(..)(..)(.*)85800a0b87$/.exec(script);
  return loopback === null ? [] : [packets(loopback[3] ?? "")];
}

/** Payload as one IN transfer: status bytes in front of each 510 bytes. */
export function packets(payload: string): string {
  const parts = payload.match(/.{1,1020}/g) ?? [""];
  return parts.map((part) => `3260${part}`).join("");
}
