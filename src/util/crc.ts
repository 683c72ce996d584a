const CRC7_POLYNOMIAL = 0x09;
const CRC16_POLYNOMIAL = 0x1021;
const CRC32_POLYNOMIAL = 0xedb88320;
const CRC32C_POLYNOMIAL = 0x82f63b78;
const SLICES = 8;

const crc7Table = Uint8Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++)
    crc = crc & 0x80 ? (crc << 1) ^ (CRC7_POLYNOMIAL << 1) : crc << 1;
  return crc;
});

/** CRC7 of SD commands and registers (x^7+x^3+1, start 0; SD Physical Layer 4.5), in bits 6..0. */
export function crc7(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = crc7Table[crc ^ byte] as number;
  return crc >> 1;
}

/** Table k gives the CRC16 of one byte followed by k zero bytes. */
const crc16Tables: readonly Uint16Array[] = makeCrc16Tables();

function makeCrc16Tables(): Uint16Array[] {
  const first = Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ CRC16_POLYNOMIAL : crc << 1;
    return crc;
  });
  const tables = [first];
  for (let slice = 1; slice < SLICES; slice++) {
    const before = tables[slice - 1] as Uint16Array;
    tables.push(before.map((crc) => ((crc << 8) ^ (first[crc >> 8] as number)) & 0xffff));
  }
  return tables;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = crc16Tables as [
  Uint16Array,
  Uint16Array,
  Uint16Array,
  Uint16Array,
  Uint16Array,
  Uint16Array,
  Uint16Array,
  Uint16Array,
];

/**
 * CRC16-CCITT of SD data blocks (0x1021, start 0, MSB first; SD Physical Layer 4.5) over `bytes[from..to)`.
 * `seed` goes on with the CRC of what came before.
 */
export function crc16(bytes: Uint8Array, from = 0, to: number = bytes.length, seed = 0): number {
  let crc = seed;
  let at = from;
  for (const end = to - 7; at < end; at += 8) {
    crc =
      (t7[(bytes[at] as number) ^ (crc >> 8)] as number) ^
      (t6[(bytes[at + 1] as number) ^ (crc & 0xff)] as number) ^
      (t5[bytes[at + 2] as number] as number) ^
      (t4[bytes[at + 3] as number] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number);
  }
  for (; at < to; at++) {
    crc = ((crc << 8) & 0xffff) ^ (t0[(crc >> 8) ^ (bytes[at] as number)] as number);
  }
  return crc;
}

function reflectedTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}

function reflected(table: Uint32Array, bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

const crc32Table = reflectedTable(CRC32_POLYNOMIAL);
const crc32cTable = reflectedTable(CRC32C_POLYNOMIAL);

/** CRC-32 (ISO-HDLC), as GPT headers use it (UEFI 5.3.2). `seed` is the CRC of what came before. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return reflected(crc32Table, bytes, seed);
}

/** CRC-32C (Castagnoli, RFC 3720), of the checksum trailer and of cassettes. `seed` as in {@link crc32}. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return reflected(crc32cTable, bytes, seed);
}
