import type { CardCommand } from "../../src/spi/card-bus.js";
import { CardError } from "../../src/spi/errors.js";
import { viewOf } from "../../src/util/bytes.js";
import type { FakeCard } from "./fake-cards.js";

const IDLE = 0x01;
const ILLEGAL = 0x04;
const BLOCK = 512;

export interface FakeAnswer {
  readonly r1: number;
  readonly extra?: readonly number[];
}

/** A card at the level of commands; strict about what may be sent when. */
export class FakeCardModel {
  readonly memory: Map<number, Uint8Array> = new Map();
  card: FakeCard;
  state: "native" | "idle" | "ready" = "native";
  crcOn = false;
  #status = 0;
  #resets = 0;
  #polls = 0;
  #crcRefusals = 0;
  #blockLength = 0;
  #written = 0;
  #eraseStart: number | undefined;
  #eraseEnd: number | undefined;

  constructor(card: FakeCard) {
    this.card = card;
  }

  /** Without power, then with. */
  powerCycle(): void {
    this.state = "native";
    this.crcOn = false;
    this.#polls = 0;
    this.#resets = 0;
  }

  /** Bits that the next R2 shows. */
  latch(status: number): void {
    this.#status = status;
  }

  /** False: nothing answers this command. */
  hears(index: number): boolean {
    return this.card.kind !== "nothing" && (this.state !== "native" || index === 0);
  }

  run(command: CardCommand): FakeAnswer {
    const idle = this.state === "idle" ? IDLE : 0;
    const name = nameOf(command);
    switch (name) {
      case "CMD0":
        return { r1: this.#reset() };
      case "CMD8":
        if (this.card.kind !== "sd-v2" || idle === 0) return { r1: ILLEGAL | idle };
        return { r1: IDLE, extra: [0, 0, 1, command.argument & 0xff] };
      case "CMD59":
        return { r1: this.#crcOption(command.argument) | idle };
      case "ACMD41":
        return { r1: this.card.kind === "mmc" ? ILLEGAL | IDLE : this.#powerUp(command.argument) };
      case "CMD1":
        return { r1: this.card.kind === "mmc" ? this.#powerUp(command.argument) : ILLEGAL | IDLE };
      case "CMD58":
        return { r1: idle | this.card.ocrR1, extra: this.#ocr() };
      default:
        return idle ? { r1: ILLEGAL | IDLE } : this.#runReady(name, command.argument);
    }
  }

  #runReady(name: string, argument: number): FakeAnswer {
    const mmc = this.card.kind === "mmc";
    switch (name) {
      case "CMD13": {
        const status = this.#status;
        this.#status = 0;
        return { r1: 0, extra: [status] };
      }
      case "CMD16":
        this.#blockLength = argument;
        return { r1: 0 };
      case mmc ? "CMD35" : "CMD32":
        this.#eraseStart = argument;
        return { r1: 0 };
      case mmc ? "CMD36" : "CMD33":
        this.#eraseEnd = argument;
        return { r1: this.#eraseStart === undefined ? 0x10 : 0 };
      case "CMD38":
        return { r1: this.#erase() };
      default:
        return { r1: ILLEGAL };
    }
  }

  #reset(): number {
    const early = this.card.beforeIdle[this.#resets++];
    if (early !== undefined) return early;
    this.state = "idle";
    this.crcOn = false;
    this.#polls = 0;
    this.#blockLength = this.card.ccs ? 512 : 1024;
    return IDLE;
  }

  #crcOption(argument: number): number {
    if (this.card.crc === "refused") return ILLEGAL;
    if (this.card.crc === "refused-once" && this.#crcRefusals++ === 0) return ILLEGAL;
    this.crcOn = (argument & 1) === 1;
    return 0;
  }

  #powerUp(argument: number): number {
    // A bit too many stalls some cards for ever; CMD8 decides about bit 30 on SD.
    if (argument & ~0x4000_0000) return IDLE;
    if (this.card.kind === "sd-v1" && argument !== 0) return IDLE;
    if (this.card.kind === "sd-v2" && this.card.ccs && argument === 0) return IDLE;
    if (this.#polls++ < this.card.polls) return IDLE;
    this.state = "ready";
    return 0;
  }

  #ocr(): number[] {
    const ready = this.state === "ready" ? 0x8000_0000 : 0;
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, (this.card.ocr | ready | (this.card.ccs ? 0x4000_0000 : 0)) >>> 0);
    return [...bytes];
  }

  #erase(): number {
    if (this.#eraseStart === undefined || this.#eraseEnd === undefined) return 0x10;
    const first = this.#lba(this.#eraseStart);
    const last = this.#lba(this.#eraseEnd);
    for (const lba of this.memory.keys()) {
      if (lba >= first && lba <= last) this.memory.delete(lba);
    }
    this.#eraseStart = undefined;
    this.#eraseEnd = undefined;
    return 0;
  }

  read(name: string, address: number, into: Uint8Array, blocks: number): void {
    const register = this.#register(name);
    if (register !== undefined) {
      into.set(register);
      return;
    }
    for (let index = 0; index < blocks; index++) {
      const block = this.memory.get(this.#lba(address) + index);
      const from = index * BLOCK;
      if (block === undefined) into.fill(0, from, from + BLOCK);
      else into.set(block, from);
    }
  }

  write(address: number, data: Uint8Array, blocks: number): void {
    this.#written = blocks;
    for (let index = 0; index < blocks; index++) {
      const from = index * BLOCK;
      this.memory.set(this.#lba(address) + index, data.slice(from, from + BLOCK));
    }
  }

  #register(name: string): Uint8Array | undefined {
    const count = new Uint8Array(4);
    viewOf(count).setUint32(0, this.#written, this.card.littleEndianCount);
    const { cid, csd, scr, ssr } = this.card;
    return { CMD9: csd, CMD10: cid, ACMD51: scr, ACMD13: ssr, ACMD22: count }[name];
  }

  /** Throws what the card's R1 would make the bus throw. */
  checkData(name: string): void {
    if (this.state === "idle") throw refused(name, ILLEGAL | IDLE);
    const moves = ["CMD17", "CMD18", "CMD24", "CMD25"].includes(name);
    if (moves && this.#blockLength !== BLOCK) throw refused(name, 0x40);
  }

  #lba(address: number): number {
    if (this.card.ccs) return address;
    if (address % 512 !== 0) throw refused("address", 0x20);
    return address / 512;
  }
}

/** `CMD17`, `ACMD41`. */
export function nameOf({ app, index }: CardCommand): string {
  return `${app ? "A" : ""}CMD${index}`;
}

function refused(name: string, r1: number): CardError {
  return new CardError("CARD_ERROR", `the card refuses ${name}`, {
    details: { command: name, r1, blocksDone: 0 },
  });
}
