/** MISO of a card that lost count of the clock: everything comes some bits late. */
export class BitShift {
  readonly #bits: number;
  /** The bits that belong in front of the next byte, in the low positions. */
  #carry = 0xff;

  /** @param bits 0..7 */
  constructor(bits: number) {
    this.#bits = bits;
  }

  get on(): boolean {
    return this.#bits > 0;
  }

  /** CS changed: the line was pulled up. */
  reset(): void {
    this.#carry = 0xff;
  }

  /** What the line shows while the card means `byte`. */
  peek(byte: number): number {
    return ((this.#carry << (8 - this.#bits)) | (byte >> this.#bits)) & 0xff;
  }

  apply(miso: Uint8Array, length: number): void {
    for (let at = 0; at < length; at++) {
      const byte = miso[at] as number;
      miso[at] = this.peek(byte);
      this.#carry = byte;
    }
  }

  save(): number {
    return this.#carry;
  }

  restore(carry: number): void {
    this.#carry = carry;
  }
}
