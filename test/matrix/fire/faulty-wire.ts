import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";
import { BridgeError } from "../../../src/spi/errors.js";

/** What goes wrong once, at a byte counted from {@link FaultyWire.arm}. */
export type WireFault =
  /** A bit of the byte is inverted on its way to the card or from it. */
  | {
      readonly kind: "flip";
      readonly line: "mosi" | "miso";
      readonly byte: number;
      readonly mask: number;
    }
  /** The bridge fails after so many bytes: the card is left as they left it, CS low. */
  | { readonly kind: "fail"; readonly byte: number; readonly failing?: () => void };

/** The wires between a bridge and a card. */
export class FaultyWire implements SpiDevice {
  readonly #card: SpiDevice;
  /** Bytes since {@link arm}. */
  bytes = 0;
  #fault: WireFault | undefined;

  constructor(card: SpiDevice) {
    this.#card = card;
  }

  /** Counts from here. */
  arm(fault?: WireFault): void {
    this.bytes = 0;
    this.#fault = fault;
  }

  /** False: the fault that was armed for has not struck. */
  get struck(): boolean {
    return this.#fault === undefined;
  }

  setCs(level: "high" | "low"): void {
    this.#card.setCs(level);
  }

  peek(atUs: number): number {
    return this.#card.peek(atUs);
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    const fault = this.#fault;
    const at = fault === undefined ? length : fault.byte - this.bytes;
    this.bytes += length;
    if (fault === undefined || at >= length) {
      this.#card.exchange(mosi, miso, length, timing);
      return;
    }
    this.#fault = undefined;
    if (fault.kind === "flip") this.#flip(fault, at, mosi, miso, length, timing);
    else {
      this.#card.exchange(mosi, miso, at, timing);
      fault.failing?.();
      throw new BridgeError("BRIDGE_PROTOCOL", "the bridge failed");
    }
  }

  #flip(
    { line, mask }: Extract<WireFault, { kind: "flip" }>,
    at: number,
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    if (line === "miso") {
      this.#card.exchange(mosi, miso, length, timing);
      if (miso !== undefined) miso[at] = (miso[at] ?? 0) ^ mask;
      return;
    }
    const sent = mosi?.slice(0, length) ?? new Uint8Array(length).fill(0xff);
    sent[at] = (sent[at] ?? 0) ^ mask;
    this.#card.exchange(sent, miso, length, timing);
  }
}
