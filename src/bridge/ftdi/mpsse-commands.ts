import type { MpsseChip, MpsseEvent, MpsseShift } from "./mpsse-events.js";

const WRITE_FALLING = 0x01;
const BIT_MODE = 0x02;
const READ_FALLING = 0x04;
const LSB_FIRST = 0x08;
const WRITE_DO = 0x10;
const READ_DI = 0x20;
const WRITE_TMS = 0x40;
const FIRST_PLAIN_OPCODE = 0x80;

export type Arguments = readonly [number, number];

/** A command of the engine: how many argument bytes follow its opcode, and what they mean. */
export interface Command {
  readonly arguments: number;
  /** Undefined: all of them. */
  readonly chips?: readonly MpsseChip[];
  readonly decode: (offset: number, args: Arguments) => MpsseEvent;
}

const H_CHIPS: readonly MpsseChip[] = ["ft232h", "ft2232h", "ft4232h"];

function toggle(kind: "loopback" | "divideBy5" | "threePhase" | "adaptive", on: boolean): Command {
  const decode = (offset: number): MpsseEvent => ({ kind, offset, on });
  return kind === "loopback" ? { arguments: 0, decode } : { arguments: 0, chips: H_CHIPS, decode };
}

function setPins(bank: "low" | "high"): Command {
  return {
    arguments: 2,
    decode: (offset, [value, direction]) => ({ kind: "setPins", offset, bank, value, direction }),
  };
}

function readPins(bank: "low" | "high"): Command {
  return { arguments: 0, decode: (offset) => ({ kind: "readPins", offset, bank }) };
}

function wait(level: "high" | "low", clocks: "none" | "unbounded"): Command {
  const decode = (offset: number): MpsseEvent => ({ kind: "wait", offset, level, clocks });
  return clocks === "none" ? { arguments: 0, decode } : { arguments: 0, chips: H_CHIPS, decode };
}

const u16 = ([low, high]: Arguments): number => low | (high << 8);

function boundedWait(level: "high" | "low"): Command {
  return {
    arguments: 2,
    chips: H_CHIPS,
    decode: (offset, args) => ({ kind: "wait", offset, level, clocks: (u16(args) + 1) * 8 }),
  };
}

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [0x80, setPins("low")],
  [0x81, readPins("low")],
  [0x82, setPins("high")],
  [0x83, readPins("high")],
  [0x84, toggle("loopback", true)],
  [0x85, toggle("loopback", false)],
  [
    0x86,
    { arguments: 2, decode: (offset, args) => ({ kind: "divisor", offset, divisor: u16(args) }) },
  ],
  [0x87, { arguments: 0, decode: (offset) => ({ kind: "flush", offset }) }],
  [0x88, wait("high", "none")],
  [0x89, wait("low", "none")],
  [0x8a, toggle("divideBy5", false)],
  [0x8b, toggle("divideBy5", true)],
  [0x8c, toggle("threePhase", true)],
  [0x8d, toggle("threePhase", false)],
  [
    0x8e,
    {
      arguments: 1,
      chips: H_CHIPS,
      decode: (offset, [n]) => ({ kind: "clocks", offset, bits: n + 1 }),
    },
  ],
  [
    0x8f,
    {
      arguments: 2,
      chips: H_CHIPS,
      decode: (offset, args) => ({ kind: "clocks", offset, bits: (u16(args) + 1) * 8 }),
    },
  ],
  [0x94, wait("high", "unbounded")],
  [0x95, wait("low", "unbounded")],
  [0x96, toggle("adaptive", true)],
  [0x97, toggle("adaptive", false)],
  [0x9c, boundedWait("high")],
  [0x9d, boundedWait("low")],
  [
    0x9e,
    {
      arguments: 2,
      chips: ["ft232h"],
      decode: (offset, [low, high]) => ({ kind: "driveZero", offset, low, high }),
    },
  ],
]);

function decodeShift(opcode: number, offset: number, args: Arguments): MpsseShift {
  const bits = (opcode & BIT_MODE) !== 0;
  const tms = (opcode & WRITE_TMS) !== 0;
  const write = tms || (opcode & WRITE_DO) !== 0;
  const read = (opcode & READ_DI) !== 0;
  const length = (bits ? args[0] : u16(args)) + 1;
  return {
    kind: "shift",
    offset,
    opcode,
    unit: bits ? "bits" : "bytes",
    length,
    write,
    read,
    tms,
    lsbFirst: (opcode & LSB_FIRST) !== 0,
    writeEdge: opcode & WRITE_FALLING ? "falling" : "rising",
    readEdge: opcode & READ_FALLING ? "falling" : "rising",
    payloadBytes: write ? (bits ? 1 : length) : 0,
    replyBytes: read ? (bits ? 1 : length) : 0,
  };
}

/** Below 0x80: bit fields. At least one of write, read and TMS; TMS in bit mode only (AN_108 knows no other). */
function shiftCommand(opcode: number): Command | undefined {
  if ((opcode & (WRITE_DO | READ_DI | WRITE_TMS)) === 0) return undefined;
  if ((opcode & WRITE_TMS) !== 0 && (opcode & BIT_MODE) === 0) return undefined;
  return {
    arguments: opcode & BIT_MODE ? 1 : 2,
    decode: (offset, args) => decodeShift(opcode, offset, args),
  };
}

/** The command of an opcode; one that the chip does not know is a bad opcode. */
export function commandOf(opcode: number, chip: MpsseChip): Command {
  const found = opcode < FIRST_PLAIN_OPCODE ? shiftCommand(opcode) : COMMANDS.get(opcode);
  if (found !== undefined && (found.chips === undefined || found.chips.includes(chip)))
    return found;
  return { arguments: 0, decode: (offset) => ({ kind: "badOpcode", offset, opcode }) };
}
