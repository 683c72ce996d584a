import {
  type Ch341Event,
  decodePacket,
  decodeRequest,
  PACKET_BYTES,
  PIN,
  reversed,
} from "../bridge/ch341/decoder.js";
import type { CassetteEvent, CompleteEvent, SubmitEvent } from "../transport/cassette.js";
import { commandsIn } from "./commands-in.js";
import type { ChipItem, ChipLog, ChipTrace, SpiItem } from "./spi-log.js";

/** CH341A: packets of SPI data, and of steps of its pins. */
export const CH341_TRACE: ChipTrace = {
  bridge: "ch341",
  log: () => new Ch341Log(),
  explain: explainTransfer,
};

/** Nominal: 1.5 MHz, and seven steps of 0.75 µs a bit (bridges.md 2.3); a recording has only the times of transfers. */
const STREAM_US_PER_BYTE = 8 / 1.5;
const STEP_US = 0.75;
const BYTE_BITS = 8;
const SHOWN_STEPS = 6;

/** Takes the answer to one packet. */
type Take = (data: Uint8Array) => void;

class Ch341Log implements ChipLog {
  readonly spi: SpiItem[] = [];
  readonly chip: ChipItem[] = [];
  readonly #submits = new Map<number, SubmitEvent>();
  readonly #wire = new WireLog(this.spi);
  #expected: Take[] = [];

  take(event: CassetteEvent): void {
    if (event.kind === "submit") this.#submit(event);
    if (event.kind === "complete") this.#complete(event);
  }

  #submit(event: SubmitEvent): void {
    this.#submits.set(event.id, event);
    const { request, atUs } = event;
    if (request.type === "controlOut" || request.type === "controlIn")
      this.chip.push({ atUs, text: described(decodeRequest(request.setup)) });
    if (request.type !== "bulkOut") return;
    this.#wire.moveTo(atUs);
    for (const packet of packetsOf(request.data)) this.#packet(decodePacket(packet));
  }

  #packet(events: readonly Ch341Event[]): void {
    this.chip.push({ atUs: this.#wire.atUs, text: describePacket(events) });
    const take = this.#wire.packet(events);
    if (take !== undefined) this.#expected.push(take);
  }

  /** Answers come in the order of their packets; where one fails, none of those sent so far is expected any more. */
  #complete(event: CompleteEvent): void {
    const submit = this.#submits.get(event.id);
    this.#submits.delete(event.id);
    if (submit?.request.type !== "bulkIn") return;
    if (event.data === undefined) this.#expected = [];
    else this.#expected.shift()?.(event.data);
  }
}

/** What packets do to the wires. */
class WireLog {
  readonly #spi: SpiItem[];
  #atUs = 0;
  #cs: "high" | "low" = "high";
  #clock = false;
  #mosi = 0;
  /** Bits of a byte clocked pin by pin, and the MISO of it. */
  #bits = 0;
  #byte = 0;
  #miso = new Uint8Array(1);

  constructor(spi: SpiItem[]) {
    this.#spi = spi;
  }

  get atUs(): number {
    return this.#atUs;
  }

  moveTo(atUs: number): void {
    this.#atUs = Math.max(this.#atUs, atUs);
  }

  /** Returns what takes the answer, if there will be one. */
  packet(events: readonly Ch341Event[]): Take | undefined {
    const samples: ((pins: number) => void)[] = [];
    let take: Take | undefined;
    for (const event of events) {
      if (event.kind === "stream") take = this.#stream(event.mosi);
      if (event.kind === "out") this.#out(event.value);
      if (event.kind === "read") samples.push(this.#sample());
      if (event.kind === "delay") this.#atUs += event.us;
    }
    if (samples.length === 0) return take;
    return (data) => {
      for (const [at, sample] of samples.entries()) sample(data[at] ?? 0xff);
    };
  }

  #stream(mosi: Uint8Array): Take | undefined {
    if (mosi.length === 0) return undefined;
    const miso = new Uint8Array(mosi.length).fill(0xff);
    this.#push(mosi, miso, this.#atUs, STREAM_US_PER_BYTE);
    this.#atUs += mosi.length * STREAM_US_PER_BYTE;
    return (data) => {
      miso.set(reversed(data.subarray(0, miso.length)));
    };
  }

  #out(value: number): void {
    const cs = (value & PIN.cs0) === 0 ? "low" : "high";
    const clock = (value & PIN.sck) !== 0;
    this.#mosi = (value & PIN.mosi) === 0 ? 0 : 1;
    if (cs !== this.#cs) this.#moveCs(cs);
    if (clock && !this.#clock) this.#rise();
    this.#clock = clock;
    this.#atUs += STEP_US;
  }

  #moveCs(level: "high" | "low"): void {
    this.#cs = level;
    this.#bits = 0;
    this.#spi.push({ kind: "cs", atUs: this.#atUs, level });
  }

  #rise(): void {
    if (this.#bits === 0) this.#miso = Uint8Array.of(0xff);
    this.#byte = ((this.#byte << 1) | this.#mosi) & 0xff;
    this.#bits++;
    if (this.#bits < BYTE_BITS) return;
    this.#bits = 0;
    const usPerByte = BYTE_BITS * 7 * STEP_US;
    const startUs = Math.max(0, this.#atUs - usPerByte);
    this.#push(Uint8Array.of(this.#byte), this.#miso, startUs, usPerByte);
  }

  /** A read while SCK is high samples the bit that it has just clocked; any other only looks. */
  #sample(): (pins: number) => void {
    this.#atUs += STEP_US;
    if (!this.#clock) return () => undefined;
    const mask = 0x80 >> ((this.#bits + BYTE_BITS - 1) % BYTE_BITS);
    const miso = this.#miso;
    return (pins) => {
      if ((pins & PIN.miso) === 0) miso[0] = (miso[0] as number) & ~mask;
    };
  }

  #push(mosi: Uint8Array, miso: Uint8Array, atUs: number, usPerByte: number): void {
    const selected = this.#cs === "low";
    this.#spi.push({ kind: "bytes", atUs, usPerByte, selected, mosi, miso });
  }
}

function* packetsOf(transfer: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < transfer.length; at += PACKET_BYTES)
    yield transfer.subarray(at, at + PACKET_BYTES);
}

/** `out value=0x36` */
function described({ kind, ...fields }: { readonly kind: string }): string {
  const shown = Object.entries(fields).flatMap(([name, value]) => {
    if (name === "offset") return [];
    if (value instanceof Uint8Array) return [` ${value.length} bytes`];
    const hex = typeof value === "number" && name !== "us" && name !== "speed";
    return [` ${name}=${hex ? `0x${value.toString(16).padStart(2, "0")}` : String(value)}`];
  });
  return `${kind}${shown.join("")}`;
}

/** One line a packet; the padding and the end of it say nothing. */
function describePacket(events: readonly Ch341Event[]): string {
  const told = events.filter(({ kind }) => kind !== "end").map(described);
  if (told.length <= SHOWN_STEPS) return told.join(", ");
  return `${told.slice(0, SHOWN_STEPS).join(", ")}, ... (${told.length} steps)`;
}

function explainTransfer(event: CassetteEvent): string {
  if (event.kind !== "submit") return "";
  const { request } = event;
  if (request.type === "controlOut" || request.type === "controlIn")
    return described(decodeRequest(request.setup));
  return request.type === "bulkOut" ? explainPackets(request.data) : "";
}

function explainPackets(data: Uint8Array): string {
  const spi: SpiItem[] = [];
  const wire = new WireLog(spi);
  const packets = [...packetsOf(data)].map(decodePacket);
  for (const events of packets) wire.packet(events);
  const sent = spi.flatMap((item) => (item.kind === "bytes" ? [item.mosi] : []));
  const commands = commandsIn(Buffer.concat(sent));
  if (commands.length > 0) return commands.join(", ");
  const told = packets.slice(0, SHOWN_STEPS).map(describePacket);
  return packets.length > SHOWN_STEPS ? `${told.join(", ")}, ...` : told.join(", ");
}
