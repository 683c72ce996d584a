import { SERPROG } from "../../bridge/serprog/decoder.js";
import type { SerialPortInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";

/** What a board and its firmware are like. */
export interface SerprogBoardOptions {
  /** Q_PGMNAME. */
  readonly name: string;
  /** The opcodes that it knows. */
  readonly commands: readonly number[];
  /** Q_SERBUF: bytes that it takes ahead; 0xffff: flow control. */
  readonly serialBuffer: number;
  /** Q_WRNMAXLEN and Q_RDNMAXLEN, where it knows these; 0 means 2^24. */
  readonly maxWrite: number;
  readonly maxRead: number;
  /** Bytes of the buffer for an operation's data, whatever it says. */
  readonly bufferBytes: number;
  /** What it does with a longer operation: it runs over its memory and is silent from then on, or it refuses. */
  readonly onOverflow: "hang" | "nak";
  readonly unknownOpcode: "silence" | "nak";
  /** Q_BUSTYPE. */
  readonly busTypes: number;
  /** The clocks that it has, in Hz. */
  readonly frequenciesHz: readonly number[];
  /** Until it is told another one. */
  readonly firstFrequencyHz: number;
  /** MOSI while a half-duplex operation reads. */
  readonly filler: number;
  /** Its pins are driven before S_PIN_STATE. */
  readonly pinsDriven: boolean;
  /** Of a UART; undefined: USB CDC, which has none. */
  readonly baudRate: number | undefined;
  /** Silence after the port was opened: a boot loader. */
  readonly bootUs: number;
}

export type SerprogBoardName =
  | "full"
  | "pico-serprog-pr15"
  | "pico-serprog"
  | "stm32-vserprog"
  | "frser-duino";

const BASIC: readonly number[] = [0, 1, 2, 3, 4, 5, 0x10, 0x12, 0x13];
const STOCK: readonly number[] = [...BASIC, SERPROG.setSpiFrequency, SERPROG.setPinState];
const FULL: readonly number[] = [...STOCK, SERPROG.setSpiMode, SERPROG.setCsMode];

function halved(highestHz: number, steps: number): number[] {
  return Array.from({ length: steps }, (_, step) => Math.floor(highestHz / 2 ** step));
}

/** clk_peri of the RP2040, by an even prescaler and 1 to 256. */
const PICO_HZ: readonly number[] = Array.from({ length: 400 }, (_, at) =>
  Math.floor(62_500_000 / (at + 1)),
);

const CDC = {
  serialBuffer: 0xffff,
  maxWrite: 0,
  maxRead: 0,
  busTypes: 0x08,
  onOverflow: "hang",
  pinsDriven: true,
  baudRate: undefined,
  bootUs: 0,
} as const;

/** Boards by what is known of their firmware (bridges.md 5); `full` is what the protocol document describes, with nothing missing. */
export const BOARDS: Readonly<Record<SerprogBoardName, SerprogBoardOptions>> = {
  full: {
    ...CDC,
    name: "serprog full",
    commands: [...FULL, SERPROG.queryMaxWrite, SERPROG.queryMaxRead, SERPROG.setChipSelect],
    maxWrite: 4096,
    maxRead: 4096,
    bufferBytes: 4096,
    onOverflow: "nak",
    unknownOpcode: "nak",
    frequenciesHz: halved(48_000_000, 12),
    firstFrequencyHz: 12_000_000,
    filler: 0xff,
    pinsDriven: false,
  },
  /** pico-serprog with PR 15: full duplex and CS, still without a look at lengths. */
  "pico-serprog-pr15": {
    ...CDC,
    name: "pico-serprog",
    commands: FULL,
    bufferBytes: 4096,
    unknownOpcode: "nak",
    frequenciesHz: PICO_HZ,
    firstFrequencyHz: 12_500_000,
    filler: 0x00,
  },
  "pico-serprog": {
    ...CDC,
    name: "pico-serprog",
    commands: STOCK,
    bufferBytes: 4096,
    unknownOpcode: "nak",
    frequenciesHz: PICO_HZ,
    firstFrequencyHz: 12_500_000,
    filler: 0x00,
  },
  "stm32-vserprog": {
    ...CDC,
    name: "stm32-vserprog",
    commands: STOCK,
    // It hands data on as they come.
    bufferBytes: 2 ** 24,
    unknownOpcode: "silence",
    frequenciesHz: halved(36_000_000, 8),
    firstFrequencyHz: 9_000_000,
    filler: 0x00,
  },
  /** An AVR behind a UART: small buffers, no flow control, a boot loader at each opening. */
  "frser-duino": {
    name: "frser-duino",
    commands: [...STOCK, SERPROG.queryMaxWrite, SERPROG.queryMaxRead],
    serialBuffer: 255,
    maxWrite: 1024,
    maxRead: 0,
    bufferBytes: 2 ** 24,
    onOverflow: "nak",
    unknownOpcode: "nak",
    busTypes: 0x08,
    frequenciesHz: halved(8_000_000, 7),
    firstFrequencyHz: 8_000_000,
    filler: 0xff,
    pinsDriven: false,
    baudRate: 115_200,
    bootUs: 1_200_000,
  },
};

export interface SerprogModelOptions {
  readonly clock: Clock;
  readonly spi: SpiDevice;
  /** Default `full`. */
  readonly board?: SerprogBoardName;
  /** What is different from {@link board}. */
  readonly options?: Partial<SerprogBoardOptions>;
  /** A byte there and its answer back, without the line's and the board's own time, in microseconds. Default 1000 for USB CDC. */
  readonly roundTripUs?: number;
  /** Bytes a second, each way, of a board without a baud rate. Default 600 000. */
  readonly bytesPerSecond?: number;
  /** Bytes that reach the host together. Default 512. */
  readonly packetBytes?: number;
  readonly port?: Partial<SerialPortInfo>;
}

/** Options with all defaults filled in. */
export interface SerprogSettings extends Required<Omit<SerprogModelOptions, "options" | "port">> {
  readonly firmware: SerprogBoardOptions;
  readonly port: SerialPortInfo;
}

const UART_BITS = 10;

export function settingsOf(given: SerprogModelOptions): SerprogSettings {
  const board = given.board ?? "full";
  const firmware: SerprogBoardOptions = { ...BOARDS[board], ...given.options };
  const { baudRate } = firmware;
  return {
    clock: given.clock,
    spi: given.spi,
    board,
    firmware,
    roundTripUs: given.roundTripUs ?? 1000,
    bytesPerSecond:
      baudRate === undefined ? (given.bytesPerSecond ?? 600_000) : baudRate / UART_BITS,
    packetBytes: given.packetBytes ?? 512,
    port: { path: "/dev/ttyACM0", ...given.port },
  };
}
