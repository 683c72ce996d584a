import {
  decodeSio,
  type MpsseChip,
  MpsseDecoder,
  type MpsseEvent,
  replyBytes,
  type SioRequest,
  stripStatus,
} from "../bridge/ftdi/decoder.js";
import type {
  CassetteEvent,
  CassetteHeader,
  CompleteEvent,
  SubmitEvent,
} from "../transport/cassette.js";
import { commandsIn } from "./commands-in.js";
import { describeOperation } from "./describe.js";
import type { ChipItem, ChipLog, ChipTrace, SpiItem } from "./spi-log.js";

/** FT232H, FT2232H, FT4232H: MPSSE scripts and SIO requests. */
export const FTDI_TRACE: ChipTrace = {
  bridge: "ftdi",
  log: (header) => new FtdiLog(header),
  explain: explainTransfer,
};

const CS_PIN = 0x08;
const DO_PIN = 0x02;
const BASE_HZ = 60e6;
const CHIPS: Readonly<Record<number, MpsseChip>> = { 7: "ft2232h", 8: "ft4232h", 9: "ft232h" };

/** The chip that a recording is of. */
function chipOf({ device }: CassetteHeader): MpsseChip {
  return CHIPS["bcdDevice" in device ? device.bcdDevice >> 8 : 0] ?? "ft232h";
}

/** MISO bytes that a command will bring, and where they go. */
interface Expected {
  readonly into: Uint8Array;
  at: number;
}

class FtdiLog implements ChipLog {
  readonly spi: SpiItem[] = [];
  readonly chip: ChipItem[] = [];
  readonly #decoder: MpsseDecoder;
  readonly #packetSizes: Readonly<Record<string, number>>;
  readonly #submits = new Map<number, SubmitEvent>();
  #expected: Expected[] = [];
  #cursorUs = 0;
  #usPerByte = 1;
  #divideBy5 = true;
  #divisor = 0;
  #cs: "high" | "low" = "high";
  #dataOut = true;
  #loopback = false;
  /** The writing shift whose payload is coming. */
  #shift: { readonly reads: boolean } | undefined;

  constructor(header: CassetteHeader) {
    this.#decoder = new MpsseDecoder(chipOf(header));
    this.#packetSizes = header.packetSizes;
  }

  take(event: CassetteEvent): void {
    if (event.kind === "submit") this.#submit(event);
    if (event.kind === "complete") this.#complete(event);
  }

  #submit(event: SubmitEvent): void {
    this.#submits.set(event.id, event);
    const { request, atUs } = event;
    this.#cursorUs = Math.max(this.#cursorUs, atUs);
    if (request.type === "controlOut" || request.type === "controlIn")
      this.#control(decodeSio(request.setup), atUs);
    if (request.type === "bulkOut")
      this.#decoder.push(request.data, (operation) => this.#operation(operation));
  }

  #control(request: SioRequest, atUs: number): void {
    this.chip.push({ atUs, text: describeOperation(request) });
    if (request.kind !== "bitMode" && request.kind !== "purge") return;
    this.#expected = [];
    if (request.kind === "bitMode") this.#decoder.reset();
  }

  #complete(event: CompleteEvent): void {
    const submit = this.#submits.get(event.id);
    this.#submits.delete(event.id);
    if (submit?.request.type !== "bulkIn" || event.data === undefined) return;
    const packet = this.#packetSizes[String(submit.request.endpoint)] ?? 512;
    const payload = new Uint8Array(event.data.length);
    this.#fill(payload.subarray(0, stripStatus(event.data, packet, payload, 0)));
  }

  /** Reply bytes go to the commands in the order in which these were sent. */
  #fill(reply: Uint8Array): void {
    for (let at = 0; at < reply.length; ) {
      const next = this.#expected[0];
      if (next === undefined) return;
      const count = Math.min(reply.length - at, next.into.length - next.at);
      next.into.set(reply.subarray(at, at + count), next.at);
      next.at += count;
      at += count;
      if (next.at === next.into.length) this.#expected.shift();
    }
  }

  #operation(event: MpsseEvent): void {
    if (event.kind !== "payload")
      this.chip.push({ atUs: this.#cursorUs, text: describeOperation(event) });
    switch (event.kind) {
      case "setPins":
        if (event.bank === "low") this.#setPins(event.value);
        break;
      case "divisor":
        this.#divisor = event.divisor;
        break;
      case "divideBy5":
        this.#divideBy5 = event.on;
        break;
      case "loopback":
        this.#loopback = event.on;
        break;
      case "shift":
        this.#startShift(event);
        break;
      case "payload":
        this.#payload(event.bytes);
        break;
      case "clocks":
        this.#bytes(this.#idleBytes(Math.ceil(event.bits / 8)), undefined);
        break;
      default:
        this.#expect(new Uint8Array(replyBytes(event)));
    }
    this.#usPerByte = (8e6 * 2 * (1 + this.#divisor)) / (this.#divideBy5 ? BASE_HZ / 5 : BASE_HZ);
  }

  #setPins(value: number): void {
    const level = (value & CS_PIN) === 0 ? "low" : "high";
    this.#dataOut = (value & DO_PIN) !== 0;
    if (level === this.#cs) return;
    this.#cs = level;
    this.spi.push({ kind: "cs", atUs: this.#cursorUs, level });
  }

  #startShift(event: Extract<MpsseEvent, { kind: "shift" }>): void {
    this.#shift = { reads: event.read };
    if (event.write) return;
    const miso = new Uint8Array(event.replyBytes).fill(0xff);
    this.#bytes(this.#idleBytes(event.replyBytes), miso);
    this.#expect(miso);
  }

  #payload(bytes: Uint8Array): void {
    const miso = this.#shift?.reads === true ? new Uint8Array(bytes.length).fill(0xff) : undefined;
    this.#bytes(bytes.slice(), miso);
    if (miso !== undefined) this.#expect(miso);
  }

  #idleBytes(count: number): Uint8Array {
    return new Uint8Array(count).fill(this.#dataOut ? 0xff : 0);
  }

  #expect(into: Uint8Array): void {
    if (into.length > 0) this.#expected.push({ into, at: 0 });
  }

  #bytes(mosi: Uint8Array, miso: Uint8Array | undefined): void {
    if (this.#loopback || mosi.length === 0) return;
    const both = miso ?? new Uint8Array(mosi.length).fill(0xff);
    this.spi.push({
      kind: "bytes",
      atUs: this.#cursorUs,
      usPerByte: this.#usPerByte,
      selected: this.#cs === "low",
      mosi,
      miso: both,
    });
    this.#cursorUs += mosi.length * this.#usPerByte;
  }
}

const SHOWN_OPERATIONS = 6;

function explainTransfer(event: CassetteEvent): string {
  if (event.kind !== "submit") return "";
  const { request } = event;
  if (request.type === "controlOut" || request.type === "controlIn")
    return describeOperation(decodeSio(request.setup));
  return request.type === "bulkOut" ? explainScript(request.data) : "";
}

function explainScript(data: Uint8Array): string {
  const operations: MpsseEvent[] = [];
  new MpsseDecoder("ft232h").push(data, (event) => operations.push(event));
  const commands = operations.flatMap((event) =>
    event.kind === "payload" ? commandsIn(event.bytes) : [],
  );
  if (commands.length > 0) return commands.join(", ");
  const told = operations.filter(({ kind }) => kind !== "payload").map(describeOperation);
  return told.length <= SHOWN_OPERATIONS
    ? told.join(", ")
    : `${told.slice(0, SHOWN_OPERATIONS).join(", ")}, ...`;
}
