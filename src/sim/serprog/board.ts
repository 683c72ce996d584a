import {
  ACK,
  BUS_SPI,
  NAK,
  opcodeName,
  SERPROG,
  SerprogDecoder,
  type SerprogEvent,
} from "../../bridge/serprog/decoder.js";
import { concatBytes } from "../../util/bytes.js";
import type { Clock, Timer } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";
import type { SerprogCounters } from "./counters.js";
import type { SerprogBoardOptions } from "./options.js";
import { Pins } from "./pins.js";
import type { Report } from "./violations.js";

const FLOW_CONTROLLED = 0xffff;
const NAME_BYTES = 16;
const MAP_BYTES = 32;
const MAX_LENGTH = 2 ** 24;
const EMPTY = new Uint8Array(0);

export interface BoardParts {
  readonly clock: Clock;
  readonly spi: SpiDevice;
  readonly firmware: SerprogBoardOptions;
  readonly counters: SerprogCounters;
  readonly report: Report;
  /** Hands bytes to the line. */
  readonly answer: (bytes: Uint8Array) => void;
  /** Called before each operation: the model may be unplugged by it. */
  readonly operating: () => void;
}

/** An operation whose data are coming. */
interface Operation {
  readonly readLength: number;
  readonly data: Uint8Array;
  filled: number;
  readonly refused: boolean;
}

/** The firmware of a board: takes bytes, does what they say, answers. One command at a time, in order. */
export class Board {
  readonly pins: Pins;
  readonly #parts: BoardParts;
  readonly #decoder: SerprogDecoder;
  #input: Uint8Array[] = [];
  #answers: Uint8Array[] = [];
  /** Until its timer has fired: real timers are late, and what comes next has to wait for the answer all the same. */
  #isBusy = false;
  #timer: Timer | undefined;
  #operation: Operation | undefined;
  #hung = false;

  constructor(parts: BoardParts) {
    const { spi, firmware, counters, report } = parts;
    this.#parts = parts;
    this.pins = new Pins(spi, firmware, counters, report);
    this.#decoder = new SerprogDecoder(
      (opcode) => firmware.commands.includes(opcode) && !isParallel(opcode),
    );
  }

  /** A command is not complete: what comes next is taken for its rest. */
  get midCommand(): boolean {
    return !this.#decoder.betweenCommands;
  }

  /** It ran over its own memory. */
  get hung(): boolean {
    return this.#hung;
  }

  /** Power is gone. */
  stop(): void {
    this.#timer?.cancel();
    this.#hung = true;
    this.#input = [];
  }

  /** Bytes come from the line, now. */
  take(bytes: Uint8Array): void {
    if (this.#hung || bytes.length === 0) return;
    this.#input.push(this.#isBusy ? this.#asFits(bytes) : bytes);
    this.#work();
    this.#flush();
  }

  get #waitingBytes(): number {
    return this.#input.reduce((sum, { length }) => sum + length, 0);
  }

  /** What of `bytes` the serial buffer still takes. */
  #asFits(bytes: Uint8Array): Uint8Array {
    const { serialBuffer } = this.#parts.firmware;
    if (serialBuffer >= FLOW_CONTROLLED) return bytes;
    const room = Math.max(0, serialBuffer - this.#waitingBytes);
    if (bytes.length <= room) return bytes;
    this.#report("serial-overflow", `${bytes.length - room} bytes more than it takes ahead`);
    return bytes.subarray(0, room);
  }

  #report(rule: Parameters<Report>[0], message: string): void {
    this.#parts.report(rule, this.#parts.clock.nowUs(), message);
  }

  #work(): void {
    while (!this.#isBusy && !this.#hung) {
      const [bytes] = this.#input;
      if (bytes === undefined) return;
      const event = this.#decoder.read(bytes, 0, bytes.length);
      const rest = bytes.subarray(this.#decoder.used);
      if (rest.length > 0) this.#input[0] = rest;
      else this.#input.shift();
      if (event !== undefined) this.#handle(event);
    }
  }

  /** What was answered goes out together. */
  #flush(): void {
    if (this.#answers.length === 0 || this.#hung) return;
    const bytes = concatBytes(this.#answers);
    this.#answers = [];
    this.#parts.answer(bytes);
  }

  #handle(event: SerprogEvent): void {
    if (event.kind === "command") this.#command(event.opcode, event.value);
    else if (event.kind === "unknown") this.#unknown(event.opcode);
    else if (event.kind === "payload") this.#payload(event.bytes, event.last);
    else this.#begin(event.writeLength, event.readLength);
  }

  #unknown(opcode: number): void {
    this.#report("unknown-opcode", opcodeName(opcode));
    if (this.#parts.firmware.unknownOpcode === "nak") this.#answer(NAK);
  }

  #begin(writeLength: number, readLength: number): void {
    const fits = this.#checkLengths(writeLength, readLength);
    if (!fits && this.#parts.firmware.onOverflow === "hang") {
      this.#hung = true;
      return;
    }
    const data = new Uint8Array(fits ? writeLength : 0);
    this.#operation = { readLength, data, filled: 0, refused: !fits };
    if (writeLength === 0) this.#operate();
  }

  /** False if its memory does not hold the operation, or if it looks at its own limits and refuses it. */
  #checkLengths(writeLength: number, readLength: number): boolean {
    const { bufferBytes, maxWrite, maxRead, onOverflow } = this.#parts.firmware;
    const mostOut = Math.min(bufferBytes, maxWrite || bufferBytes);
    const mostBack = maxRead || MAX_LENGTH;
    if (writeLength > mostOut) this.#report("write-length", `${writeLength} > ${mostOut}`);
    if (readLength > mostBack) this.#report("read-length", `${readLength} > ${mostBack}`);
    const held = Math.max(writeLength, this.pins.fullDuplex ? readLength : 0);
    const isWithin = writeLength <= mostOut && readLength <= mostBack;
    return held <= bufferBytes && (isWithin || onOverflow === "hang");
  }

  #payload(bytes: Uint8Array, last: boolean): void {
    const operation = this.#operation;
    if (operation === undefined) return;
    const room = Math.max(0, operation.data.length - operation.filled);
    if (room > 0) operation.data.set(bytes.subarray(0, room), operation.filled);
    operation.filled += bytes.length;
    if (last) this.#operate();
  }

  #operate(): void {
    const operation = this.#operation;
    this.#operation = undefined;
    if (operation === undefined) return;
    if (operation.refused) {
      this.#answer(NAK);
      return;
    }
    this.#parts.operating();
    if (this.#hung) return;
    const { data, readLength } = operation;
    const nowUs = this.#parts.clock.nowUs();
    this.#parts.counters.command(SERPROG.spiOperation);
    const reply = this.pins.operate(data, readLength, nowUs);
    this.#keepBusy(this.pins.durationUs(data.length, readLength), () => this.#answer(ACK, reply));
  }

  /** What has come already has to wait in the serial buffer too. */
  #keepBusy(durationUs: number, done: () => void): void {
    const { clock } = this.#parts;
    this.#isBusy = true;
    const waiting = this.#input;
    this.#input = [];
    for (const bytes of waiting) this.#input.push(this.#asFits(bytes));
    this.#timer = clock.timer(durationUs, () => {
      this.#isBusy = false;
      done();
      this.#work();
      this.#flush();
    });
  }

  #command(opcode: number, value: number): void {
    const reply = this.#execute(opcode, value);
    if (reply === undefined) {
      this.#answer(NAK);
      return;
    }
    this.#parts.counters.command(opcode);
    if (opcode === SERPROG.syncNop) this.#answer(NAK, Uint8Array.of(ACK));
    else this.#answer(ACK, reply);
  }

  #answer(first: number, rest: Uint8Array = EMPTY): void {
    this.#answers.push(Uint8Array.of(first), rest);
  }

  /** Undefined: NAK. */
  #execute(opcode: number, value: number): Uint8Array | undefined {
    const nowUs = this.#parts.clock.nowUs();
    switch (opcode) {
      case SERPROG.nop:
      case SERPROG.syncNop:
        return EMPTY;
      case SERPROG.setBusType:
        return (value & BUS_SPI) !== 0 ? EMPTY : undefined;
      case SERPROG.setSpiFrequency:
        return this.#setFrequency(value, nowUs);
      case SERPROG.setPinState:
        this.pins.drive(value !== 0);
        return EMPTY;
      case SERPROG.setChipSelect:
        return value === 0 ? EMPTY : undefined;
      case SERPROG.setSpiMode:
        return this.pins.setSpiMode(value, nowUs) ? EMPTY : undefined;
      case SERPROG.setCsMode:
        return this.pins.setCsMode(value) ? EMPTY : undefined;
      default:
        return this.#query(opcode);
    }
  }

  #setFrequency(wantedHz: number, nowUs: number): Uint8Array | undefined {
    const set = this.pins.setFrequency(wantedHz, nowUs);
    if (set > 0) return number(set, 4);
    this.#report("zero-frequency", opcodeName(SERPROG.setSpiFrequency));
    return undefined;
  }

  #query(opcode: number): Uint8Array | undefined {
    const { name, commands, serialBuffer, busTypes, maxWrite, maxRead } = this.#parts.firmware;
    switch (opcode) {
      case SERPROG.queryInterface:
        return number(1, 2);
      case SERPROG.queryCommandMap:
        return mapOf(commands);
      case SERPROG.queryName:
        return padded(Buffer.from(name, "latin1"));
      case SERPROG.querySerialBuffer:
        return number(serialBuffer, 2);
      case SERPROG.queryBusTypes:
        return number(busTypes, 1);
      case SERPROG.queryMaxWrite:
        return number(maxWrite, 3);
      case SERPROG.queryMaxRead:
        return number(maxRead, 3);
      default:
        return undefined;
    }
  }
}

/** Operations of parallel flash: no board here has them. */
function isParallel(opcode: number): boolean {
  return opcode >= SERPROG.readByte && opcode <= SERPROG.execute;
}

function number(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** at) & 0xff);
}

function padded(text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(NAME_BYTES);
  bytes.set(text.subarray(0, NAME_BYTES));
  return bytes;
}

function mapOf(commands: readonly number[]): Uint8Array {
  const map = new Uint8Array(MAP_BYTES);
  for (const opcode of commands) {
    const at = opcode >> 3;
    map[at] = (map[at] as number) | (1 << (opcode & 7));
  }
  return map;
}
