import type { CommandEvent } from "./card-events.js";
import { commandNameOf } from "./commands.js";

/** `CMD17_READ_SINGLE_BLOCK`; `CMD63` where the number is reserved. */
export function nameOf(index: number, app: boolean): string {
  return commandNameOf({ index, app }) ?? `${app ? "ACMD" : "CMD"}${index}`;
}

/** Bytes behind R1 (SD Physical Layer 7.3.2). */
export function extraBytes(command: CommandEvent | undefined): number {
  if (command === undefined) return 0;
  if (command.index === 13) return 1;
  return !command.app && (command.index === 8 || command.index === 58) ? 4 : 0;
}

const READS: Readonly<Record<string, number>> = {
  "9": 16,
  "10": 16,
  "6": 64,
  "30": 4,
  A13: 64,
  A22: 4,
  A51: 8,
};
const KEY_READS = new Set([17, 18]);
const KEY_WRITES = new Set([24, 25, 27, 42]);

function key(command: CommandEvent): string {
  return command.app ? `A${command.index}` : String(command.index);
}

/** Which way data go behind the response, if any do. */
export function dataDirection(command: CommandEvent): "read" | "write" | undefined {
  if (key(command) in READS || (!command.app && KEY_READS.has(command.index))) return "read";
  return !command.app && KEY_WRITES.has(command.index) ? "write" : undefined;
}

/** Bytes of one data block, the CRC not counted. */
export function dataLength(command: CommandEvent | undefined, blockLength: number): number {
  if (command === undefined) return blockLength;
  return READS[key(command)] ?? (command.index === 27 && !command.app ? 16 : blockLength);
}

const BUSY_AFTER = new Set([12, 28, 29, 38]);

/** MISO may be held low behind the response (R1b). */
export function isBusyAfter(command: CommandEvent): boolean {
  return !command.app && BUSY_AFTER.has(command.index);
}
