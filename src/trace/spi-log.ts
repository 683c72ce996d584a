import type { CassetteEvent, CassetteHeader } from "../transport/cassette.js";

/** Something on the SPI wires, with its time in µs since the start of the recording. */
export type SpiItem =
  | { readonly kind: "cs"; readonly atUs: number; readonly level: "high" | "low" }
  /** Both directions side by side. MISO that the host did not read is FF. */
  | {
      readonly kind: "bytes";
      readonly atUs: number;
      readonly usPerByte: number;
      readonly selected: boolean;
      readonly mosi: Uint8Array;
      readonly miso: Uint8Array;
    };

/** Something that the chip was told. */
export interface ChipItem {
  readonly atUs: number;
  readonly text: string;
}

/** What a recording put on the SPI wires, and what the chip was told besides. */
export interface SpiLog {
  readonly spi: readonly SpiItem[];
  readonly chip: readonly ChipItem[];
}

/** An {@link SpiLog} that grows with each event of a recording. */
export interface ChipLog extends SpiLog {
  take(event: CassetteEvent): void;
}

/** How recordings of one kind of bridge are read; over the decoder of that bridge. */
export interface ChipTrace {
  readonly bridge: CassetteHeader["bridge"];
  log(header: CassetteHeader): ChipLog;
  /** What a transfer means, in one line: the card commands in it, or what the chip is told; empty where there is nothing to say. */
  explain(event: CassetteEvent): string;
}
