import {
  AnswerReader,
  type Ch347Event,
  COMMAND,
  clockHz,
  decodeTransfer,
} from "../bridge/ch347/decoder.js";
import type { CassetteEvent, CompleteEvent, SubmitEvent } from "../transport/cassette.js";
import { commandsIn } from "./commands-in.js";
import type { ChipItem, ChipLog, ChipTrace, SpiItem } from "./spi-log.js";

/** CH347: settings, chip select, and SPI data in commands with a head of three bytes. */
export const CH347_TRACE: ChipTrace = {
  bridge: "ch347",
  log: () => new Ch347Log(),
  explain: explainTransfer,
};

/** Until settings are seen. */
const POWER_ON_CLOCK = 2;
/** No driver reads more at once; what a count beyond it would clock is not shown. */
const MOST_SHOWN_BYTES = 1 << 20;

type Bytes = Extract<SpiItem, { kind: "bytes" }>;

/** MISO that an answer, or the frames of one, is going to bring. */
interface Expected {
  readonly command: number;
  readonly miso: Uint8Array;
  filled: number;
}

class Ch347Log implements ChipLog {
  readonly spi: SpiItem[] = [];
  readonly chip: ChipItem[] = [];
  readonly #submits = new Map<number, SubmitEvent>();
  readonly #reader = new AnswerReader();
  #expected: Expected[] = [];
  #atUs = 0;
  #cs: "high" | "low" = "high";
  #usPerByte: number = usPerByte(POWER_ON_CLOCK, 0);
  #idleByte = 0xff;

  take(event: CassetteEvent): void {
    if (event.kind === "submit") this.#submit(event);
    if (event.kind === "complete") this.#complete(event);
  }

  #submit(event: SubmitEvent): void {
    this.#submits.set(event.id, event);
    const { request, atUs } = event;
    if (request.type !== "bulkOut") return;
    this.#atUs = Math.max(this.#atUs, atUs);
    for (const command of decodeTransfer(request.data)) {
      this.chip.push({ atUs: this.#atUs, text: described(command) });
      this.#command(command);
    }
  }

  #command(command: Ch347Event): void {
    switch (command.kind) {
      case "configure": {
        const { clockIndex, intervalUs, idleByte } = command.settings;
        this.#usPerByte = usPerByte(clockIndex, intervalUs);
        this.#idleByte = idleByte;
        return;
      }
      case "cs":
        this.#select(command.cs1.level);
        return;
      case "exchange":
        this.#expect(COMMAND.exchange, this.#clock(command.mosi));
        return;
      case "write":
        this.#clock(command.mosi);
        return;
      case "read": {
        const shown = Math.min(command.count, MOST_SHOWN_BYTES);
        const mosi = new Uint8Array(shown).fill(this.#idleByte);
        this.#expect(COMMAND.read, this.#clock(mosi));
        return;
      }
      default:
    }
  }

  #select(level: "high" | "low" | "keep"): void {
    if (level === "keep" || level === this.#cs) return;
    this.#cs = level;
    this.spi.push({ kind: "cs", atUs: this.#atUs, level });
  }

  /** Returns MISO, which is not known yet. */
  #clock(mosi: Uint8Array): Uint8Array {
    const miso = new Uint8Array(mosi.length).fill(0xff);
    const item: Bytes = {
      kind: "bytes",
      atUs: this.#atUs,
      usPerByte: this.#usPerByte,
      selected: this.#cs === "low",
      mosi,
      miso,
    };
    this.spi.push(item);
    this.#atUs += mosi.length * this.#usPerByte;
    return miso;
  }

  #expect(command: number, miso: Uint8Array): void {
    if (miso.length > 0) this.#expected.push({ command, miso, filled: 0 });
  }

  /** Answers come in the order of their commands; where one fails, none of those sent so far is expected any more. */
  #complete(event: CompleteEvent): void {
    const submit = this.#submits.get(event.id);
    this.#submits.delete(event.id);
    if (submit?.request.type !== "bulkIn") return;
    if (event.data === undefined) {
      this.#reader.reset();
      this.#expected = [];
      return;
    }
    for (const { command, data } of this.#reader.push(event.data)) this.#answer(command, data);
  }

  #answer(command: number, data: Uint8Array): void {
    const head = this.#expected[0];
    if (head?.command !== command) return;
    const room = head.miso.length - head.filled;
    head.miso.set(data.subarray(0, room), head.filled);
    head.filled += Math.min(room, data.length);
    if (head.filled === head.miso.length) this.#expected.shift();
  }
}

function usPerByte(clockIndex: number, intervalUs: number): number {
  return 8e6 / clockHz(clockIndex) + intervalUs;
}

/** `exchange 14 bytes`, `read count=66048`, `cs low`. */
function described(event: Ch347Event): string {
  switch (event.kind) {
    case "readConfig":
      return "read the settings";
    case "configure": {
      const { clockIndex, idleByte } = event.settings;
      return `settings ${clockHz(clockIndex)} Hz, idle byte ${hex(idleByte)}`;
    }
    case "cs":
      return `cs ${event.cs1.level}`;
    case "exchange":
    case "write":
      return `${event.kind} ${event.mosi.length} bytes`;
    case "read":
      return `read ${event.count} bytes`;
    case "clockFamily":
      return `clock family ${event.family}`;
    case "malformed":
      return `malformed ${hex(event.command)}: ${event.why}`;
    case "unknown":
      return `unknown ${hex(event.value)}`;
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

function explainTransfer(event: CassetteEvent): string {
  if (event.kind !== "submit" || event.request.type !== "bulkOut") return "";
  const events = decodeTransfer(event.request.data);
  const sent = events.flatMap((one) => ("mosi" in one ? [one.mosi] : []));
  const commands = commandsIn(withoutClocks(Buffer.concat(sent)));
  return (commands.length > 0 ? commands : events.map(described)).join(", ");
}

/** Ones at the end only clock: a command has them behind it where its answer, and a block, are read. */
function withoutClocks(mosi: Uint8Array): Uint8Array {
  return mosi.subarray(0, mosi.findLastIndex((byte) => byte !== 0xff) + 1);
}
