/**
 * Typed by hand from bridges.md 3.2 and 3.3 (flashrom, ufprog, the captures of NIC), before any code for them was written.
 * Spaces are for reading.
 */
export const READ_CONFIG = "ca 0100 01";

/** 3-4 direction, 5-6 master, 7-8 eight bits, 9 CPOL, 11 CPHA, 13-14 CS by software, 15 clock, 17 MSB first, 19 CRC, 21-22 interval, 23 default byte, 24 polarity. */
export const SETTINGS_60_MHZ =
  "c0 1a00 0000 0401 0000 0000 0000 0002 0000 0000 0700 0000 ff 00 00000000";
export const SETTINGS_15_MHZ =
  "c0 1a00 0000 0401 0000 0000 0000 0002 1000 0000 0700 0000 ff 00 00000000";
export const SETTINGS_SLOWEST =
  "c0 1a00 0000 0401 0000 0000 0000 0002 3800 0000 0700 0000 ff 00 00000000";

/** CS1 asserted, released; delays and CS2 left alone. */
export const CS_LOW = "c1 0a00 80 0000 0000 00 0000 0000";
export const CS_HIGH = "c1 0a00 c0 0000 0000 00 0000 0000";

/** Index of the prescaler, and its clock in Hz. */
export const CLOCKS: readonly (readonly [number, number])[] = [
  [0, 60_000_000],
  [1, 30_000_000],
  [2, 15_000_000],
  [3, 7_500_000],
  [4, 3_750_000],
  [5, 1_875_000],
  [6, 937_500],
  [7, 468_750],
];
