import { crc7 } from "../../util/crc.js";

/** The last byte of CID and CSD: CRC7 of the 15 bytes before it, shifted left, and an end bit of 1. */
export interface RegisterCrc {
  /** The last byte as it was read. */
  readonly stored: number;
  /** What it should be. */
  readonly computed: number;
  /**
   * `stripped`: 00, or right but for the end bit: what tools leave when they dump a register (sysfs copies, libmaple,
   * sdio-host). A live card that sends anything but `ok` was not read right, or is a fake.
   */
  readonly state: "ok" | "stripped" | "bad";
}

/** Checks the CRC7 of a CID or CSD of 16 bytes; a fact, never an error: dumps often lack it. */
export function registerCrc(register: Uint8Array): RegisterCrc {
  const stored = register[15] as number;
  const computed = (crc7(register.subarray(0, 15)) << 1) | 1;
  return { stored, computed, state: stateOf(stored, computed) };
}

function stateOf(stored: number, computed: number): RegisterCrc["state"] {
  if (stored === computed) return "ok";
  return stored === 0 || stored === (computed & 0xfe) ? "stripped" : "bad";
}
