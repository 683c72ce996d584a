/**
 * Frames typed from firmware/protocol.h, their CRC16 from another implementation of the polynomial; the session's nonce is 1234.
 */
export const NONCE = 0x1234;

export const REQUESTS = [
  {
    what: "SDX_COMMAND: CMD13, R2, 1000 ms",
    frame: "a1 01 0a 00  0d 00000000 02 00 e80300  77ce",
  },
  {
    what: "SDX_COMMAND: ACMD41 with HCS, R1, 2000 ms",
    frame: "a1 02 0a 00  a9 00000040 00 00 d00700  4634",
  },
  {
    what: "SDX_COMMAND: CMD59 1 with a spoilt CRC7, R1, 1000 ms",
    frame: "a1 03 0a 00  3b 01000000 00 01 e80300  fa38",
  },
  {
    what: "SDX_READ: CMD18 800, 128 blocks of 512, CMD12 behind them, 10 s, 600 ms for a token",
    frame: "a2 04 12 00  12 00080000 00 02 102700  0002 80000000 5802  98b3",
  },
  {
    what: "SDX_WRITE: CMD24 800, one block, 2000 ms",
    frame: "a3 05 12 00  18 00080000 00 00 d00700  0002 01000000 0000  e5fd",
  },
  {
    what: "SDX_ABORT: recover, CRC proved, a read may be open, the host knows; 3000 ms",
    frame: "a4 01 04 00  0f b80b00  4257",
  },
  { what: "SDX_ABORT: only tell; 1000 ms", frame: "a4 02 04 00  00 e80300  995c" },
  { what: "SDX_STATS", frame: "a5 03 00 00  e0c9" },
  { what: "SDX_CONTROL: 400 kHz, sequence 255", frame: "a7 ff 05 00  01 801a0600  c148" },
  { what: "SDX_CONTROL: silence of 5 ms, sequence 0", frame: "a7 00 05 00  06 05000000  7daa" },
] as const;

export const REPLIES = {
  /** CMD13: R1 00, R2 00, one byte before R1, 12 bytes clocked, 2 of them waiting. */
  commandDone: "06 01 00 14 00  00 00000000 00 01 02 00000000 0c000000 02000000  21b0",
  /** A write refused with 0D at its third block; the card is known. */
  writeRejected: "06 05 07 14 00  00 00000000 0d 01 01 03000000 00020000 10000000  8906",
  /** SDX_BAD_SEQUENCE, without a payload. */
  badSequence: "06 02 0d 00 00  c47d",
  /** SDX_ABORT: the last request was SDX_WRITE 5, data lost behind 2 blocks; recovered by bridge, drain, probe. */
  aborted:
    "06 01 00 24 00  05 a3 0a 01 02000000 01 0000 03 010207 00000000000000000000000000 20020000 08000000  d693",
} as const;

/** Version 1, rp2040, nonce 1234, both flags, SPI, no window, 1024 bytes, 50 ms, 32 KiB, 250 kHz to 25 MHz, blocks of 2048. */
export const INFO =
  "53445831 01 01 3412 0300 01 00 0004 3200 00800000 90d00300 40787d01 0008 0000  cf89";
