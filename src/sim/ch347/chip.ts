import {
  type Ch347Event,
  COMMAND,
  decodeTransfer,
  HEAD_BYTES,
  PAYLOAD_BYTES,
  SETTINGS_BYTES,
} from "../../bridge/ch347/decoder.js";
import type { UsbControlSetup } from "../../transport/types.js";
import { concatBytes } from "../../util/bytes.js";
import type { PacketChip } from "../usb/packet-pipe.js";
import type { ControlAnswer } from "../usb/transfers.js";
import type { Ch347Settings } from "./options.js";
import { SpiPort } from "./spi-port.js";
import type { Report } from "./violations.js";

const NO_DATA: Uint8Array = new Uint8Array(0);
/** What is left of the settings before anybody has given any is not known; nobody reads it. */
const NO_SETTINGS: Uint8Array = new Uint8Array(SETTINGS_BYTES);

/** A packet, and when it can be fetched. */
interface Held {
  readonly packet: Uint8Array;
  readonly readyUs: number;
  /** It is the last one of its frame. */
  readonly endsFrame: boolean;
}

/**
 * The chip from power-on. Commands are executed one after the other; a long read goes on as its frames are fetched, and takes
 * in nothing until its last one is clocked.
 */
export class Ch347Chip implements PacketChip {
  readonly #settings: Ch347Settings;
  readonly #report: Report;
  readonly #port: SpiPort;
  readonly #held: Held[] = [];
  #incoming: Uint8Array = NO_DATA;
  /** Bytes of a read that are still to be clocked. */
  #toRead = 0;
  /** When all that was taken has been executed. */
  #endUs = 0;
  #rawSettings: Uint8Array = NO_SETTINGS;

  constructor(settings: Ch347Settings, report: Report) {
    this.#settings = settings;
    this.#report = report;
    this.#port = new SpiPort(settings.spi, report);
  }

  get port(): SpiPort {
    return this.#port;
  }

  get outReadyUs(): number {
    return this.#toRead > 0 || this.#isFull ? Infinity : this.#endUs;
  }

  get inReadyUs(): number {
    return this.#held[0]?.readyUs ?? Infinity;
  }

  takeOut(packet: Uint8Array, atUs: number): void {
    this.#incoming = concatBytes([this.#incoming, packet]);
    if (packet.length === this.#settings.packetSize && !this.#isWhole) return;
    const transfer = this.#incoming;
    this.#incoming = NO_DATA;
    this.#endUs = Math.max(this.#endUs, atUs);
    const events = decodeTransfer(transfer);
    if (events.length > 1) this.#report("several-commands", atUs, `${events.length} in a transfer`);
    for (const event of events) this.#execute(event, transfer, atUs);
  }

  takeIn(atUs: number): Uint8Array {
    const { packet } = this.#held.shift() ?? { packet: NO_DATA };
    this.#endUs = Math.max(this.#endUs, atUs);
    this.#read();
    return packet;
  }

  control(setup: UsbControlSetup, _data: Uint8Array, atUs: number): ControlAnswer {
    const what = `${setup.requestType.toString(16)} ${setup.request.toString(16)}`;
    this.#report("control-request", atUs, `${what} value ${setup.value} index ${setup.index}`);
    return "stall";
  }

  /** With packets of 64 bytes a command may end with a full one. */
  get #isWhole(): boolean {
    const [, low = 0, high = 0] = this.#incoming;
    return this.#incoming.length === HEAD_BYTES + (low | (high << 8));
  }

  get #isFull(): boolean {
    return this.#held.filter(({ endsFrame }) => endsFrame).length >= this.#settings.framesHeld;
  }

  #execute(event: Ch347Event, transfer: Uint8Array, atUs: number): void {
    if (this.#held.length > 0 && event.kind !== "cs")
      this.#report("overlapped", atUs, `${event.kind} before an answer was fetched`);
    switch (event.kind) {
      case "readConfig":
        this.#answer(COMMAND.readSettings, this.#rawSettings);
        return;
      case "configure":
        this.#port.configure(event.settings, this.#endUs);
        if (this.#settings.csOnSettings === "released") this.#port.release();
        this.#rawSettings = transfer.slice(event.offset + HEAD_BYTES).subarray(0, SETTINGS_BYTES);
        this.#answer(COMMAND.writeSettings, Uint8Array.of(this.#settings.settingsStatus));
        return;
      case "cs":
        this.#endUs += this.#port.select(event.cs1, this.#endUs);
        return;
      case "exchange":
      case "write":
        this.#clockData(event.kind, event.mosi, atUs);
        return;
      case "read":
        this.#port.checkClocks(event.kind, atUs);
        this.#toRead = event.count;
        this.#read();
        return;
      default:
        this.#complain(event, atUs);
    }
  }

  #clockData(kind: "exchange" | "write", mosi: Uint8Array, atUs: number): void {
    this.#port.checkClocks(kind, atUs);
    if (mosi.length > PAYLOAD_BYTES) this.#report("too-long", atUs, `${mosi.length} bytes`);
    const { miso, us } = this.#port.clock(mosi, mosi.length, this.#endUs);
    this.#endUs += us + this.#settings.turnaroundUs;
    if (kind === "write") this.#answer(COMMAND.write, Uint8Array.of(0));
    else this.#answer(COMMAND.exchange, miso);
  }

  /** Clocks frames of the read as long as there is room for them. */
  #read(): void {
    while (this.#toRead > 0 && !this.#isFull) {
      const count = Math.min(this.#toRead, PAYLOAD_BYTES);
      const { miso, us } = this.#port.clock(undefined, count, this.#endUs);
      this.#endUs += us + this.#settings.turnaroundUs;
      this.#toRead -= count;
      this.#answer(COMMAND.read, miso);
    }
  }

  #answer(command: number, data: Uint8Array): void {
    const head = Uint8Array.of(command, data.length & 0xff, data.length >> 8);
    const frame = concatBytes([head, data]);
    const { packetSize, zeroLengthPackets, splitBytes } = this.#settings;
    const most = command === COMMAND.exchange ? Math.min(packetSize, splitBytes) : packetSize;
    const readyUs = this.#endUs;
    for (let at = 0; at < frame.length; at += most) {
      const packet = frame.subarray(at, at + most);
      this.#held.push({ packet, readyUs, endsFrame: at + most >= frame.length });
    }
    if (zeroLengthPackets && frame.length % packetSize === 0)
      this.#held.push({ packet: NO_DATA, readyUs, endsFrame: false });
  }

  #complain(event: Ch347Event, atUs: number): void {
    if (event.kind === "malformed")
      this.#report("malformed", atUs, `0x${event.command.toString(16)}: ${event.why}`);
    if (event.kind === "unknown")
      this.#report("unknown-command", atUs, `0x${event.value.toString(16)} at ${event.offset}`);
    if (event.kind === "clockFamily")
      this.#report("unproved", atUs, `clock family ${event.family}`);
  }
}
