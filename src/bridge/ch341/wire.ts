/** wMaxPacketSize of both bulk endpoints; the first byte of each OUT packet says what the rest is (bridges.md 2.2). */
export const PACKET_BYTES = 32;
/** Data bytes of an SPI packet, and of its answer. */
export const PAYLOAD_BYTES: number = PACKET_BYTES - 1;

export const COMMAND = {
  /** Data out; as many come back. */
  spiStream: 0xa8,
  serialBits: 0xa9,
  /** I2C, and the speed setting that all else goes by. */
  i2cStream: 0xaa,
  /** Pins, one step after the other. */
  uioStream: 0xab,
  setOutputs: 0xa1,
  getInputs: 0xa0,
} as const;

/** Steps of a {@link COMMAND.uioStream}; the low six bits of the first three are their argument. */
export const UIO = {
  out: 0x80,
  direction: 0x40,
  delayUs: 0xc0,
  read: 0x00,
  end: 0x20,
} as const;
export const UIO_ARGUMENT = 0x3f;

/** D0 to D7 (bridges.md 2.2); D0 to D5 can be outputs. */
export const PIN = {
  cs0: 0x01,
  cs1: 0x02,
  cs2: 0x04,
  sck: 0x08,
  dout2: 0x10,
  mosi: 0x20,
  din2: 0x40,
  miso: 0x80,
} as const;

/** All chip selects high, SCK low, both data outputs high. */
export const IDLE_PINS: number = PIN.cs0 | PIN.cs1 | PIN.cs2 | PIN.dout2 | PIN.mosi;
export const OUTPUT_PINS = 0x3f;

const REVERSED: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  let out = 0;
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) out |= 0x80 >> bit;
  return out;
});

/** The chip shifts the lowest bit first, SPI wants the highest: every byte is turned round, both ways (flashrom, FZ). */
export function reverseBits(byte: number): number {
  return REVERSED[byte & 0xff] as number;
}

/** A copy with each byte turned round. */
export function reversed(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => REVERSED[byte] as number);
}
