/**
 * What both sides of an MCP2210's HID reports share: numbers, lengths and field types.
 *
 * Sources: Microchip DS22288 (MCP2210 data sheet) as mcp2210-linux, bloguetronica's mcp2210 and mcp2210-rs have it; reference
 * bridges.md 4.
 */

/** Every report, each way. */
export const REPORT_BYTES = 64;
/** SPI bytes that one report carries, from {@link DATA_OFFSET} on. */
export const CHUNK_BYTES = 60;
/** Where data, settings and pins begin in a report. */
export const DATA_OFFSET = 4;
/** Bytes per SPI transaction are counted in 16 bits. */
export const MAX_TRANSACTION_BYTES = 65_535;
/** GP0 to GP8. */
export const PIN_COUNT = 9;
/** All pins, as bits. */
export const ALL_PINS = 0x1ff;

/** First byte of a report, and of its answer. */
export const COMMAND = {
  status: 0x10,
  cancel: 0x11,
  interruptCounter: 0x12,
  getChipSettings: 0x20,
  setChipSettings: 0x21,
  setPins: 0x30,
  getPins: 0x31,
  setDirections: 0x32,
  getDirections: 0x33,
  setSpiSettings: 0x40,
  getSpiSettings: 0x41,
  transfer: 0x42,
  readEeprom: 0x50,
  writeEeprom: 0x51,
  setNvram: 0x60,
  getNvram: 0x61,
  password: 0x70,
  releaseBus: 0x80,
} as const;

export type CommandName = keyof typeof COMMAND;

const NAMES: ReadonlyMap<number, CommandName> = new Map(
  Object.entries(COMMAND).map(([name, code]) => [code, name as CommandName]),
);

/** The name of a command; undefined for one that the chip does not know. */
export function commandName(code: number): CommandName | undefined {
  return NAMES.get(code);
}

/** `0x42 transfer`, as an error names it. */
export function describeCommand(code: number): string {
  const hex = `0x${code.toString(16).padStart(2, "0")}`;
  const name = commandName(code);
  return name === undefined ? hex : `${hex} ${name}`;
}

/** Second byte of an answer. */
export const STATUS = {
  ok: 0x00,
  /** Another master holds the SPI bus. */
  busNotAvailable: 0xf7,
  /** A transfer is going on: the same report again, later. */
  busy: 0xf8,
  unknownCommand: 0xf9,
  eepromFailed: 0xfa,
  blocked: 0xfb,
  rejected: 0xfc,
  wrongPassword: 0xfd,
} as const;

/** Fourth byte of the answer to a transfer: where the SPI engine is. */
export const ENGINE = {
  /** All bytes of the transaction have been clocked, and given to the host. */
  finished: 0x10,
  /** Begun; nothing received yet. */
  started: 0x20,
  /** Not finished; what was received so far is in the answer. */
  dataAvailable: 0x30,
} as const;

/** What a pin is for (bytes 4 to 12 of the chip settings). */
export const PIN_MODE = { gpio: 0, chipSelect: 1, dedicated: 2 } as const;

/** Who drives the SPI bus (byte 3 of a status). */
export const BUS_OWNER = { none: 0, bridge: 1, external: 2 } as const;

/** What the pins are for, until the next power-on. */
export interface ChipSettings {
  /** Of GP0 to GP8; {@link PIN_MODE}. */
  readonly pinModes: readonly number[];
  /** Levels of GPIO outputs, bit n = GPn. */
  readonly outputs: number;
  /** 1 = input, bit n = GPn. */
  readonly directions: number;
  /** Byte 17: remote wake-up, interrupt mode, and bit 0: the SPI bus is kept between transfers. */
  readonly other: number;
}

/** How SPI transactions run, until the next power-on. Delays are in units of 100 µs. */
export interface SpiSettings {
  readonly bitRateHz: number;
  /** Levels of pins in chip-select mode between transactions, bit n = GPn. */
  readonly idleCs: number;
  /** Their levels during one. */
  readonly activeCs: number;
  readonly csToDataDelay: number;
  readonly lastByteToCsDelay: number;
  readonly byteGap: number;
  readonly bytesPerTransaction: number;
  /** SPI mode 0 to 3. */
  readonly mode: number;
}

/** Answer to `status` and `cancel`. */
export interface ChipStatus {
  /** Another master asks for the bus. */
  readonly releasePending: boolean;
  /** {@link BUS_OWNER}. */
  readonly busOwner: number;
  readonly passwordTries: number;
  readonly unlocked: boolean;
}

/** What stands behind the pin modes in a report: 2 + 2 + 1 bytes. */
const OUTPUTS_OFFSET = 13;
const DIRECTIONS_OFFSET = 15;
const OTHER_OFFSET = 17;

/** Writes settings where a report has them; access control and password (18 to 26) stay 0. */
export function putChipSettings(report: DataView, settings: ChipSettings): void {
  settings.pinModes.forEach((mode, pin) => {
    report.setUint8(DATA_OFFSET + pin, mode);
  });
  report.setUint16(OUTPUTS_OFFSET, settings.outputs, true);
  report.setUint16(DIRECTIONS_OFFSET, settings.directions, true);
  report.setUint8(OTHER_OFFSET, settings.other);
}

export function takeChipSettings(report: DataView): ChipSettings {
  const pinModes = Array.from({ length: PIN_COUNT }, (_, pin) =>
    report.getUint8(DATA_OFFSET + pin),
  );
  return {
    pinModes,
    outputs: report.getUint16(OUTPUTS_OFFSET, true),
    directions: report.getUint16(DIRECTIONS_OFFSET, true),
    other: report.getUint8(OTHER_OFFSET),
  };
}

export function putSpiSettings(report: DataView, settings: SpiSettings): void {
  report.setUint32(4, settings.bitRateHz, true);
  report.setUint16(8, settings.idleCs, true);
  report.setUint16(10, settings.activeCs, true);
  report.setUint16(12, settings.csToDataDelay, true);
  report.setUint16(14, settings.lastByteToCsDelay, true);
  report.setUint16(16, settings.byteGap, true);
  report.setUint16(18, settings.bytesPerTransaction, true);
  report.setUint8(20, settings.mode);
}

export function takeSpiSettings(report: DataView): SpiSettings {
  return {
    bitRateHz: report.getUint32(4, true),
    idleCs: report.getUint16(8, true),
    activeCs: report.getUint16(10, true),
    csToDataDelay: report.getUint16(12, true),
    lastByteToCsDelay: report.getUint16(14, true),
    byteGap: report.getUint16(16, true),
    bytesPerTransaction: report.getUint16(18, true),
    mode: report.getUint8(20),
  };
}
