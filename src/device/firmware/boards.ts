import { UF2_FAMILY } from "./uf2.js";

/** A kind of board that there is firmware for, and how it gets there. */
export interface FirmwareBoard {
  /** As the folder of its sources is called. */
  readonly target: string;
  readonly name: string;
  /** Its release files, the usual one first. */
  readonly files: readonly string[];
  /** A boot loader's drive takes the file. */
  readonly drive?: { readonly board: string; readonly family: number };
  /** Another program's command line does it; `$FILE` and `$PORT` stand for those. */
  readonly command?: readonly string[];
  /** Where that program comes from. */
  readonly comesWith?: string;
}

export const FIRMWARE_BOARDS: readonly FirmwareBoard[] = [
  {
    target: "rp2040",
    name: "Raspberry Pi Pico",
    files: ["mmcpstore-rp2040.uf2"],
    drive: { board: "RPI-RP2", family: UF2_FAMILY.rp2040 },
  },
  {
    target: "atmega328p",
    name: "Arduino Uno, Nano",
    files: ["mmcpstore-atmega328p-500k.hex", "mmcpstore-atmega328p-1m.hex"],
    command: [
      "avrdude",
      "-p",
      "atmega328p",
      "-c",
      "arduino",
      "-b",
      "115200",
      "-P",
      "$PORT",
      "-D",
      "-U",
      "flash:w:$FILE:i",
    ],
    comesWith: "Debian: avrdude",
  },
  {
    target: "lm3s6965",
    name: "TI EK-LM3S6965",
    files: ["mmcpstore-lm3s6965.elf"],
    command: ["openocd", "-f", "board/ek-lm3s6965.cfg", "-c", "program $FILE verify reset exit"],
    comesWith: "Debian: openocd",
  },
];
