import { crc16 } from "../../util/crc.js";
import type { Cells } from "./cells.js";
import { SECTOR } from "./flash.js";
import type { CardModelOptions, Latency, Quirk } from "./options.js";
import { Output } from "./output.js";
import type { CardRegisters } from "./registers.js";

/** R1 bits (SD Physical Layer 7.3.2.1). */
export const R1 = {
  idle: 0x01,
  eraseReset: 0x02,
  illegal: 0x04,
  crc: 0x08,
  eraseSequence: 0x10,
  address: 0x20,
  parameter: 0x40,
} as const;
/** R2 bits, second byte (7.3.2.3). */
export const R2 = {
  locked: 0x01,
  lockFailed: 0x02,
  error: 0x04,
  protected: 0x20,
  eraseParameter: 0x40,
  outOfRange: 0x80,
} as const;
/** Tokens (7.3.3). */
export const TOKEN = { block: 0xfe, multiBlock: 0xfc, stop: 0xfd, outOfRange: 0x08 } as const;

/** A data block on its way in. */
export interface Receiving {
  readonly what: "single" | "multi" | "csd" | "lock";
  /** Byte address of the next block. */
  address: number;
  readonly length: number;
  /** The token has come: bytes are data. */
  collecting: boolean;
  at: number;
}

export interface Busy {
  bytesLeft: number;
  untilUs: number;
}

/** All of the protocol's state: plain data, so that a snapshot is a copy. */
export interface CoreState {
  power: boolean;
  spi: boolean;
  ready: boolean;
  crcOn: boolean;
  app: boolean;
  locked: boolean;
  highSpeed: boolean;
  blockLength: number;
  startUpBytes: number;
  initStartUs: number | undefined;
  hostSupportsHc: boolean;
  receiving: Receiving | undefined;
  /** Byte address of the next block of CMD18. */
  reading: number | undefined;
  /** A register or single block is being sent. */
  sending: boolean;
  busy: Busy | undefined;
  eraseStart: number | undefined;
  eraseEnd: number | undefined;
  erasing: readonly [number, number] | undefined;
  status: number;
  wellWritten: number;
  preErased: number;
  blockCount: number | undefined;
  protectedGroups: number[];
  password: number[];
  cmd59Failed: boolean;
  usedBefore: boolean;
  /** Bits that the next R1 carries besides its own. */
  r1Once: number;
}

const PAYLOAD_TAIL = 2;

/** What a card does apart from telling bytes, frames and commands apart: answers, blocks, busy, addresses. */
export class Core {
  readonly options: CardModelOptions;
  readonly registers: CardRegisters;
  readonly cells: Cells;
  readonly out: Output = new Output();
  readonly sectorCount: number;
  state: CoreState;
  /** The block being received. */
  readonly inbox: Uint8Array = new Uint8Array(2 * SECTOR + PAYLOAD_TAIL);
  nowUs = 0;
  clockedBytes = 0;

  constructor(options: CardModelOptions, registers: CardRegisters, cells: Cells) {
    this.options = options;
    this.registers = registers;
    this.cells = cells;
    this.sectorCount = cells.flash.sectorCount;
    this.state = this.poweredUp();
  }

  poweredUp(): CoreState {
    return {
      power: true,
      spi: false,
      ready: false,
      crcOn: this.has("crc-always"),
      app: false,
      locked: this.options.locked,
      highSpeed: false,
      blockLength: this.byteAddressed ? 1 << this.options.readBlockLength : SECTOR,
      startUpBytes: 0,
      initStartUs: undefined,
      hostSupportsHc: false,
      receiving: undefined,
      reading: undefined,
      sending: false,
      busy: undefined,
      eraseStart: undefined,
      eraseEnd: undefined,
      erasing: undefined,
      status: 0,
      wellWritten: 0,
      preErased: 0,
      blockCount: undefined,
      protectedGroups: [],
      password: [],
      cmd59Failed: false,
      usedBefore: false,
      r1Once: 0,
    };
  }

  has(quirk: Quirk): boolean {
    return this.options.quirks.includes(quirk);
  }

  get byteAddressed(): boolean {
    return this.options.kind === "sdsc" || this.options.kind === "mmc";
  }

  get isMmc(): boolean {
    return this.options.kind === "mmc";
  }

  /** The idle bit, which every R1 carries until initialisation is over. */
  get idleBit(): number {
    return this.state.ready ? 0 : R1.idle;
  }

  /** Queues R1 and what follows it, NCR bytes from now. */
  respond(bits: number, extra: readonly number[] = []): void {
    this.out.fill(this.has("idle-c0") ? 0xc0 : 0xff, this.options.ncr);
    this.out.bytes(Uint8Array.of(bits | this.idleBit | this.state.r1Once, ...extra));
    this.state.r1Once = 0;
  }

  /** Queues a register or a block behind what is queued. */
  sendBlock(data: Uint8Array, latency: Latency): void {
    this.out.wait(latency, this.nowUs);
    const packet = new Uint8Array(data.length + 3);
    packet[0] = TOKEN.block;
    packet.set(data, 1);
    const crc = crc16(data) ^ (this.has("crc-errors") ? 0x0420 : 0);
    packet[data.length + 1] = crc >> 8;
    packet[data.length + 2] = crc & 0xff;
    this.out.bytes(packet);
  }

  startBusy(latency: Latency): void {
    const untilUs = "us" in latency ? this.nowUs + latency.us : 0;
    this.state.busy = { bytesLeft: "bytes" in latency ? latency.bytes : 0, untilUs };
  }

  /** Busy is over as far as time goes; `bytesLeft` is counted by who clocks. */
  get busyOver(): boolean {
    const { busy } = this.state;
    return busy !== undefined && busy.bytesLeft <= 0 && this.nowUs >= busy.untilUs;
  }

  endBusy(): void {
    this.state.busy = undefined;
    this.cells.commit(this.clockedBytes);
    this.#finishErase();
  }

  #finishErase(): void {
    const range = this.state.erasing;
    this.state.erasing = undefined;
    if (range === undefined) return;
    this.eraseSectors(range[0], range[1]);
  }

  /** Both ends included. */
  eraseSectors(from: number, to: number): void {
    const blank = new Uint8Array(SECTOR).fill(this.options.erasedByte);
    for (let sector = from; sector <= to; sector++) this.cells.flash.write(sector, blank);
  }

  /** Byte address of a command's argument. */
  addressOf(argument: number): number {
    return this.byteAddressed ? argument : argument * SECTOR;
  }

  /** R1 error bits of an access of `length` bytes at a byte address. */
  accessErrors(address: number, length: number): number {
    if (this.state.locked) return R1.illegal;
    const unit = Math.max(SECTOR, length);
    if (
      address % SECTOR !== 0 &&
      Math.floor(address / unit) !== Math.floor((address + length - 1) / unit)
    )
      return R1.address;
    return address + length > this.sectorCount * SECTOR ? R1.parameter : 0;
  }

  /** Bytes of the card, wherever they begin. */
  readBytes(address: number, length: number): Uint8Array {
    const first = Math.floor(address / SECTOR);
    const count = Math.floor((address + length - 1) / SECTOR) - first + 1;
    const sectors = new Uint8Array(count * SECTOR);
    for (let at = 0; at < count; at++)
      this.cells.read(first + at, sectors.subarray(at * SECTOR, (at + 1) * SECTOR));
    return sectors.subarray(address - first * SECTOR, address - first * SECTOR + length);
  }

  /** Sectors of a write-protect group (WP_GRP_SIZE + 1 erase sectors of 128 blocks). */
  static readonly PROTECT_GROUP: number = 32 * 128;

  isProtected(sector: number): boolean {
    return (
      this.options.writeProtect !== "none" ||
      this.state.protectedGroups.includes(Math.floor(sector / Core.PROTECT_GROUP))
    );
  }

  /** Ends whatever transfer runs: sent blocks, streams, blocks awaited. */
  dropTransfer(): void {
    this.state.reading = undefined;
    this.state.sending = false;
    this.state.receiving = undefined;
    this.out.clear();
  }

  /** What ACMD23 announced and was not written is undefined: here it is erased. */
  finishPreErase(): void {
    const { receiving, preErased } = this.state;
    this.state.preErased = 0;
    if (receiving?.what !== "multi" || preErased === 0) return;
    const next = receiving.address / SECTOR;
    const left = preErased - this.state.wellWritten;
    if (left > 0) this.eraseSectors(next, Math.min(this.sectorCount, next + left) - 1);
  }
}
