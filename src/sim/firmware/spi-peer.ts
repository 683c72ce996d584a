import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";

/** Messages of the firmware's Linux build to whoever plays its pins (firmware/targets/native/README.md): u8, u16 length, data. */
const EXCHANGE = 1;
const CHIP_SELECT = 2;
const FREQUENCY = 3;
const POWER = 4;
const HEAD_BYTES = 3;
const IDENTIFY_HZ = 400_000;
const NOTHING = new Uint8Array(0);

export interface SpiPeerParts {
  readonly clock: Clock;
  readonly spi: SpiDevice;
  /** Its card's power switch. */
  readonly power?: (on: boolean) => void;
}

/** What was asked of the pins. */
export interface SpiPeerCounters {
  exchanges: number;
  bytes: number;
}

/** The pins of firmware in another process: its messages, however they are cut, played on a SPI device in the time of the clock. */
export class SpiPeer {
  readonly counters: SpiPeerCounters = { exchanges: 0, bytes: 0 };
  readonly #parts: SpiPeerParts;
  #kept: Uint8Array = NOTHING;
  #frequencyHz = IDENTIFY_HZ;
  /** Where the clocks of the last exchange end: the next ones do not overlap them. */
  #freeUs = 0;

  constructor(parts: SpiPeerParts) {
    this.#parts = parts;
  }

  /** Gives the answers to what is complete; the rest is kept. */
  push(bytes: Uint8Array): Uint8Array {
    const all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const answers: Uint8Array[] = [];
    let at = 0;
    while (all.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + ((all[at + 1] as number) | ((all[at + 2] as number) << 8));
      if (all.length < end) break;
      answers.push(this.#play(all[at] as number, all.subarray(at + HEAD_BYTES, end)));
      at = end;
    }
    this.#kept = all.slice(at);
    return Buffer.concat(answers);
  }

  #play(operation: number, data: Uint8Array): Uint8Array {
    const { spi, power } = this.#parts;
    const value = data[0] ?? 0;
    if (operation === EXCHANGE) return this.#exchange(data);
    if (operation === CHIP_SELECT) spi.setCs(value === 0 ? "low" : "high");
    else if (operation === FREQUENCY) this.#frequencyHz = frequencyOf(data) || IDENTIFY_HZ;
    else if (operation === POWER) power?.(value !== 0);
    return NOTHING;
  }

  #exchange(mosi: Uint8Array): Uint8Array {
    const { spi, clock } = this.#parts;
    const usPerByte = 8e6 / this.#frequencyHz;
    const startUs = Math.max(clock.nowUs(), this.#freeUs);
    const miso = new Uint8Array(mosi.length);
    spi.exchange(mosi, miso, mosi.length, { startUs, usPerByte });
    this.#freeUs = startUs + usPerByte * mosi.length;
    this.counters.exchanges++;
    this.counters.bytes += mosi.length;
    return miso;
  }
}

/** u32, little-endian. */
function frequencyOf(data: Uint8Array): number {
  return data.reduceRight((value, byte) => value * 256 + byte, 0);
}
