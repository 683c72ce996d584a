import type { SpiDevice } from "../../../src/sim/spi-device.js";

/** An SPI flash chip of 64 KiB for flashrom to find, read only: an MX25L512, by JEDEC id. */
export const FLASH_NAME = "MX25L512(E)/MX25V512(C)";
const JEDEC_ID = [0xc2, 0x20, 0x10];
export const FLASH_BYTES: number = 64 * 1024;
const READ_ID = 0x9f;
const READ_STATUS = 0x05;
const READ = 0x03;
const ADDRESS_BYTES = 3;
const IDLE = 0xff;

export class SpiFlash implements SpiDevice {
  readonly content: Uint8Array;
  /** Opcodes that came, in order. */
  readonly opcodes: number[] = [];
  #selected = false;
  /** Of the command under way: its first byte, what came behind it in number, and the first three of that as a number. */
  #opcode: number | undefined;
  #behind = 0;
  #address = 0;

  constructor() {
    this.content = Uint8Array.from(
      { length: FLASH_BYTES },
      (_, at) => (at * 31 + (at >> 8)) & 0xff,
    );
  }

  setCs(level: "high" | "low"): void {
    this.#selected = level === "low";
    this.#opcode = undefined;
    this.#behind = 0;
    this.#address = 0;
  }

  exchange(mosi: Uint8Array | undefined, miso: Uint8Array | undefined, length: number): void {
    for (let at = 0; at < length; at++) {
      const answer = this.peek();
      if (miso !== undefined) miso[at] = answer;
      if (this.#selected) this.#take(mosi?.[at] ?? IDLE);
    }
  }

  peek(): number {
    if (!this.#selected || this.#opcode === undefined) return IDLE;
    if (this.#opcode === READ_ID) return JEDEC_ID[this.#behind] ?? IDLE;
    if (this.#opcode === READ_STATUS) return 0;
    if (this.#opcode !== READ || this.#behind < ADDRESS_BYTES) return IDLE;
    return this.content[(this.#address + this.#behind - ADDRESS_BYTES) % FLASH_BYTES] as number;
  }

  #take(byte: number): void {
    if (this.#opcode === undefined) {
      this.#opcode = byte;
      this.opcodes.push(byte);
      return;
    }
    if (this.#behind < ADDRESS_BYTES) this.#address = this.#address * 0x100 + byte;
    this.#behind++;
  }
}
