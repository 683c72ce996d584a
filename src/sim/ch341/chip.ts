import {
  answerBytes,
  type Ch341Event,
  decodePacket,
  decodeRequest,
  reversed,
} from "../../bridge/ch341/decoder.js";
import type { UsbControlSetup } from "../../transport/types.js";
import type { PacketChip } from "../usb/packet-pipe.js";
import type { ControlAnswer } from "../usb/transfers.js";
import type { Ch341Settings } from "./options.js";
import { Ch341Pins } from "./pins.js";
import type { Report } from "./violations.js";

const VERSION: readonly number[] = [0x31, 0x00];
const NO_DATA: Uint8Array = new Uint8Array(0);

/** An answer, and when it can be fetched. */
interface Held {
  readonly packet: Uint8Array;
  readonly readyUs: number;
}

/**
 * The chip from power-on: executes one packet while the next is taken in; each packet that reads something is answered by one
 * packet. With more answers than it can hold it hangs.
 */
export class Ch341Chip implements PacketChip {
  readonly #settings: Ch341Settings;
  readonly #report: Report;
  readonly #pins: Ch341Pins;
  readonly #held: Held[] = [];
  /** When the packet taken last begins, and ends, to be executed. */
  #startUs = 0;
  #endUs = 0;
  #wedged = false;

  constructor(settings: Ch341Settings, report: Report) {
    this.#settings = settings;
    this.#report = report;
    this.#pins = new Ch341Pins(settings.spi, report);
  }

  get cs(): "high" | "low" {
    return this.#pins.cs;
  }

  get wedged(): boolean {
    return this.#wedged;
  }

  get clockedBytes(): number {
    return this.#pins.clockedBytes;
  }

  get outReadyUs(): number {
    return this.#wedged ? Infinity : this.#startUs;
  }

  get inReadyUs(): number {
    return this.#wedged ? Infinity : (this.#held[0]?.readyUs ?? Infinity);
  }

  takeOut(packet: Uint8Array, atUs: number): void {
    const events = decodePacket(packet);
    if (answerBytes(events) > 0 && this.#full(atUs)) {
      this.#wedged = true;
      this.#report("wedge", atUs, `${this.#held.length} answers wait and no IN transfer is posted`);
      return;
    }
    this.#startUs = Math.max(atUs, this.#endUs);
    this.#endUs = this.#startUs;
    const answer: number[] = [];
    for (const event of events) this.#execute(event, answer);
    if (answer.length > 0)
      this.#held.push({ packet: Uint8Array.from(answer), readyUs: this.#endUs });
  }

  takeIn(): Uint8Array {
    return this.#held.shift()?.packet ?? NO_DATA;
  }

  control(setup: UsbControlSetup, _data: Uint8Array, atUs: number): ControlAnswer {
    const request = decodeRequest(setup);
    switch (request.kind) {
      case "version":
        return Uint8Array.from(VERSION);
      case "readRegisters":
        return new Uint8Array(2);
      case "writeRegisters":
        return NO_DATA;
      case "unknown": {
        const what = `${setup.requestType.toString(16)} ${setup.request.toString(16)}`;
        this.#report("control-request", atUs, `${what} value ${setup.value} index ${setup.index}`);
        return "stall";
      }
    }
  }

  /** Answers that only an IN transfer is missing for. */
  #full(atUs: number): boolean {
    const waiting = this.#held.filter(({ readyUs }) => readyUs <= atUs);
    return waiting.length >= this.#settings.answersHeld;
  }

  #execute(event: Ch341Event, answer: number[]): void {
    switch (event.kind) {
      case "stream":
        this.#stream(event.mosi, answer);
        return;
      case "out":
        this.#step(() => this.#pins.setOut(event.value, this.#endUs));
        return;
      case "direction":
        this.#step(() => this.#pins.setDirection(event.value, this.#endUs));
        return;
      case "read":
        this.#step(() => {
          if (this.#settings.pinReads === "answered") answer.push(this.#pins.read(this.#endUs));
        });
        return;
      case "delay":
        this.#endUs += event.us;
        return;
      default:
        this.#check(event);
    }
  }

  /** The pins change at the beginning of the step. */
  #step(act: () => void): void {
    act();
    this.#endUs += this.#settings.uioStepUs;
  }

  #stream(mosi: Uint8Array, answer: number[]): void {
    const usPerByte = 8e6 / this.#settings.streamHz;
    const miso = this.#pins.stream(mosi, this.#endUs, usPerByte);
    this.#endUs += mosi.length * usPerByte + this.#settings.packetGapUs;
    answer.push(...reversed(miso));
  }

  #check(event: Ch341Event): void {
    const atUs = this.#startUs;
    switch (event.kind) {
      case "config":
        if (event.dualSpi) this.#report("dual-spi", atUs, "two data lines each way");
        return;
      case "i2c":
        this.#report("not-spi", atUs, `I2C operation 0x${event.opcode.toString(16)}`);
        return;
      case "other":
        this.#report("not-spi", atUs, `command 0x${event.command.toString(16)}`);
        return;
      case "unknown":
        this.#report("unknown-command", atUs, `0x${event.value.toString(16)} at ${event.offset}`);
        return;
      case "unterminated":
        this.#report("unterminated", atUs, "a stream of steps without its end");
        return;
      default:
        return;
    }
  }
}
