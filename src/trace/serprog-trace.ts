import {
  CS_MODE,
  opcodeName,
  replyBytes,
  SERPROG,
  type SerprogAnswer,
  SerprogAnswers,
  SerprogDecoder,
  type SerprogEvent,
} from "../bridge/serprog/decoder.js";
import type { CassetteEvent } from "../transport/cassette.js";
import { concatBytes } from "../util/bytes.js";
import { commandsIn } from "./commands-in.js";
import type { ChipItem, ChipLog, ChipTrace, SpiItem } from "./spi-log.js";

/** Boards with serprog firmware: the commands and answers on their serial port. */
export const SERPROG_TRACE: ChipTrace = {
  bridge: "serprog",
  log: () => new SerprogLog(),
  explain: explainWrite,
};

/** Until the host sets one. */
const FIRST_FREQUENCY_HZ = 1_000_000;
const NOTHING = new Uint8Array(0);

/** An operation whose data are being sent. */
interface Operation {
  readonly readLength: number;
  readonly parts: Uint8Array[];
}

/** What a command did is known when its answer has come. */
class SerprogLog implements ChipLog {
  readonly spi: SpiItem[] = [];
  readonly chip: ChipItem[] = [];
  readonly #decoder = new SerprogDecoder();
  readonly #answers = new SerprogAnswers();
  #operation: Operation = { readLength: 0, parts: [] };
  #cursorUs = 0;
  #usPerByte = 8e6 / FIRST_FREQUENCY_HZ;
  #fullDuplex = false;
  #csMode: number = CS_MODE.auto;
  #cs: "high" | "low" = "high";

  take(event: CassetteEvent): void {
    if (event.kind === "submit" && event.request.type === "serialWrite") {
      const { atUs } = event;
      this.#decoder.push(event.request.data.slice(), (said) => this.#said(said, atUs));
    }
    if (event.kind === "complete" && event.data !== undefined) this.#answers.push(event.data);
  }

  #said(event: SerprogEvent, atUs: number): void {
    if (event.kind === "payload") {
      this.#operation.parts.push(event.bytes);
      if (event.last) this.#operationSent(atUs);
    } else if (event.kind === "unknown") {
      this.chip.push({ atUs, text: `${opcodeName(event.opcode)}: unknown` });
    } else if (event.kind === "command") {
      this.#answers.expect(event.opcode, replyBytes(event), (answer) =>
        this.#commandDone(event.opcode, event.value, atUs, answer),
      );
    } else {
      this.#operation = { readLength: event.readLength, parts: [] };
      if (event.writeLength === 0) this.#operationSent(atUs);
    }
  }

  #operationSent(atUs: number): void {
    const { readLength, parts } = this.#operation;
    const mosi = concatBytes(parts);
    this.#answers.expect(SERPROG.spiOperation, readLength, (answer) => {
      const refused = answer.kind === "refused";
      const text = `${opcodeName(SERPROG.spiOperation)} ${mosi.length} out, ${readLength} back`;
      this.chip.push({ atUs, text: refused ? `${text}: refused` : text });
      if (!refused) this.#clocked(mosi, answer.data, atUs);
    });
  }

  #commandDone(opcode: number, value: number, atUs: number, answer: SerprogAnswer): void {
    this.chip.push({ atUs, text: describeCommand(opcode, value, answer) });
    if (answer.kind === "refused") return;
    this.#cursorUs = Math.max(this.#cursorUs, atUs);
    if (opcode === SERPROG.setSpiFrequency) this.#setFrequency(numberOf(answer.data));
    if (opcode === SERPROG.setSpiMode) this.#fullDuplex = value === 1;
    if (opcode === SERPROG.setCsMode) {
      this.#csMode = value;
      this.#setCs(value === CS_MODE.selected ? "low" : "high");
    }
  }

  #clocked(mosi: Uint8Array, miso: Uint8Array, atUs: number): void {
    this.#cursorUs = Math.max(this.#cursorUs, atUs);
    const isAuto = this.#csMode === CS_MODE.auto;
    if (isAuto) this.#setCs("low");
    if (this.#fullDuplex) this.#bytes(mosi, miso);
    else {
      this.#bytes(mosi, NOTHING);
      this.#bytes(NOTHING, miso);
    }
    if (isAuto) this.#setCs("high");
  }

  /** Whichever is the shorter is filled up with FF: what is not known, or not driven. */
  #bytes(mosi: Uint8Array, miso: Uint8Array): void {
    const length = Math.max(mosi.length, miso.length);
    if (length === 0) return;
    this.spi.push({
      kind: "bytes",
      atUs: this.#cursorUs,
      usPerByte: this.#usPerByte,
      selected: this.#cs === "low",
      mosi: filled(mosi, length),
      miso: filled(miso, length),
    });
    this.#cursorUs += length * this.#usPerByte;
  }

  #setFrequency(hz: number): void {
    if (hz > 0) this.#usPerByte = 8e6 / hz;
  }

  #setCs(level: "high" | "low"): void {
    if (level === this.#cs) return;
    this.#cs = level;
    this.spi.push({ kind: "cs", atUs: this.#cursorUs, level });
  }
}

function filled(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length === length) return bytes;
  const all = new Uint8Array(length).fill(0xff);
  all.set(bytes);
  return all;
}

function numberOf(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

const WITH_VALUE: ReadonlySet<number> = new Set([
  SERPROG.setBusType,
  SERPROG.setSpiFrequency,
  SERPROG.setPinState,
  SERPROG.setChipSelect,
  SERPROG.setSpiMode,
  SERPROG.setCsMode,
]);

/** `0x14 S_SPI_FREQ 400000: 375000` */
function describeCommand(opcode: number, value: number, answer: SerprogAnswer): string {
  const asked = WITH_VALUE.has(opcode) ? `${opcodeName(opcode)} ${value}` : opcodeName(opcode);
  if (answer.kind === "refused") return `${asked}: refused`;
  if (answer.data.length === 0) return asked;
  if (opcode === SERPROG.queryName) return `${asked}: "${textOf(answer.data)}"`;
  if (opcode === SERPROG.queryCommandMap)
    return `${asked}: ${Buffer.from(answer.data.subarray(0, 4)).toString("hex")}`;
  return `${asked}: ${numberOf(answer.data)}`;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("latin1")
    .replaceAll(/[^\x20-\x7e]/g, "");
}

const SHOWN_OPERATIONS = 6;
/** A command stands at the front of what is clocked. */
const FRAME_ROOM = 24;

function explainWrite(event: CassetteEvent): string {
  if (event.kind !== "submit" || event.request.type !== "serialWrite") return "";
  const told: string[] = [];
  new SerprogDecoder().push(event.request.data, (said) => told.push(...explainEvent(said)));
  return told.length <= SHOWN_OPERATIONS
    ? told.join(", ")
    : `${told.slice(0, SHOWN_OPERATIONS).join(", ")}, ...`;
}

function explainEvent(event: SerprogEvent): string[] {
  if (event.kind === "payload") return commandsIn(event.bytes.subarray(0, FRAME_ROOM));
  if (event.kind === "command" && WITH_VALUE.has(event.opcode))
    return [`${opcodeName(event.opcode)} ${event.value}`];
  if (event.kind === "spiOperation")
    return [`${opcodeName(event.opcode)} ${event.writeLength} out, ${event.readLength} back`];
  return [opcodeName(event.opcode)];
}
