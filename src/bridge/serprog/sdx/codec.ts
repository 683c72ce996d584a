import type { CardCommand, RecoveryKnowledge, ResponseKind } from "../../../spi/card-bus.js";
import { viewOf } from "../../../util/bytes.js";
import { crc16 } from "../../../util/crc.js";
import { SDX } from "./protocol.js";

/** Longest deadline that 24 bits say, ms: 4 h 39 min. */
export const MAX_DEADLINE_MS = 0xff_ffff;

/** What a device says of itself at the beginning of a session. */
export interface SdxInfo {
  readonly version: number;
  /** SDX.TARGET_... */
  readonly target: number;
  readonly nonce: number;
  readonly powerSwitch: boolean;
  readonly deadman: boolean;
  /** SDX.BUS_BIT_... */
  readonly buses: number;
  /** Data parts of a write beyond those credited; 0: any number. */
  readonly window: number;
  readonly maxPayload: number;
  readonly silenceMs: number;
  readonly deadmanBytes: number;
  readonly minHz: number;
  readonly maxHz: number;
  readonly maxBlockLength: number;
}

/** INFO's reply behind its ACK; undefined if it has not the magic, or its CRC16 is wrong. */
export function decodeInfo(bytes: Uint8Array): SdxInfo | undefined {
  const view = viewOf(bytes);
  if (bytes.length !== SDX.INFO_BYTES + SDX.CRC_BYTES) return undefined;
  if (view.getUint32(0, true) !== SDX.MAGIC) return undefined;
  if (crc16(bytes, 0, SDX.INFO_BYTES) !== view.getUint16(SDX.INFO_BYTES)) return undefined;
  const flags = view.getUint16(8, true);
  return {
    version: view.getUint8(4),
    target: view.getUint8(5),
    nonce: view.getUint16(6, true),
    powerSwitch: (flags & SDX.FLAG_POWER_SWITCH) !== 0,
    deadman: (flags & SDX.FLAG_DEADMAN) !== 0,
    buses: view.getUint8(10),
    window: view.getUint8(11),
    maxPayload: view.getUint16(12, true),
    silenceMs: view.getUint16(14, true),
    deadmanBytes: view.getUint32(16, true),
    minHz: view.getUint32(20, true),
    maxHz: view.getUint32(24, true),
    maxBlockLength: view.getUint16(28, true),
  };
}

/** INFO's reply behind its ACK, as a device sends it. */
export function encodeInfo(info: SdxInfo): Uint8Array {
  const bytes = new Uint8Array(SDX.INFO_BYTES + SDX.CRC_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, SDX.MAGIC, true);
  view.setUint8(4, info.version);
  view.setUint8(5, info.target);
  view.setUint16(6, info.nonce, true);
  const power = info.powerSwitch ? SDX.FLAG_POWER_SWITCH : 0;
  view.setUint16(8, power | (info.deadman ? SDX.FLAG_DEADMAN : 0), true);
  view.setUint8(10, info.buses);
  view.setUint8(11, info.window);
  view.setUint16(12, info.maxPayload, true);
  view.setUint16(14, info.silenceMs, true);
  view.setUint32(16, info.deadmanBytes, true);
  view.setUint32(20, info.minHz, true);
  view.setUint32(24, info.maxHz, true);
  view.setUint16(28, info.maxBlockLength, true);
  view.setUint16(SDX.INFO_BYTES, crc16(bytes, 0, SDX.INFO_BYTES));
  return bytes;
}

const TARGET_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [SDX.TARGET_NATIVE, "native"],
  [SDX.TARGET_RP2040, "rp2040"],
  [SDX.TARGET_LM3S6965, "lm3s6965"],
  [SDX.TARGET_ATMEGA328P, "atmega328p"],
]);

/** `rp2040`, as the folder of its sources is called; `target 9` for one that is not known. */
export function targetName(target: number): string {
  return TARGET_NAMES.get(target) ?? `target ${target}`;
}

const KINDS: Readonly<Record<ResponseKind, number>> = {
  R1: SDX.R1,
  R1b: SDX.R1B,
  R2: SDX.R2,
  R3: SDX.R3,
  R7: SDX.R7,
};

/** Bytes behind R1. */
export const TAIL_BYTES: Readonly<Record<ResponseKind, number>> = {
  R1: 0,
  R1b: 0,
  R2: 1,
  R3: 4,
  R7: 4,
};

export interface CommandOptions {
  /** SDX.WRONG_CRC, SDX.OPEN_ENDED. */
  readonly flags: number;
  readonly deadlineMs: number;
}

/** Payload of SDX_COMMAND. */
export function encodeCommandPayload(command: CardCommand, options: CommandOptions): Uint8Array {
  const payload = new Uint8Array(SDX.COMMAND_BYTES);
  putCommand(payload, command, options);
  return payload;
}

function putCommand(into: Uint8Array, command: CardCommand, options: CommandOptions): void {
  const view = viewOf(into);
  view.setUint8(0, command.index | (command.app === true ? SDX.APP_COMMAND : 0));
  view.setUint32(1, command.argument, true);
  view.setUint8(5, KINDS[command.response] | (SDX.BUS_SPI << SDX.BUS_SHIFT));
  view.setUint8(6, options.flags);
  putU24(into, 7, options.deadlineMs);
}

export interface TransferOptions extends CommandOptions {
  readonly blockLength: number;
  readonly blocks: number;
  /** Of a read. */
  readonly tokenMs: number;
}

/** Payload of SDX_READ and SDX_WRITE. */
export function encodeTransferPayload(command: CardCommand, options: TransferOptions): Uint8Array {
  const payload = new Uint8Array(SDX.TRANSFER_BYTES);
  putCommand(payload, command, options);
  const view = viewOf(payload);
  view.setUint16(10, options.blockLength, true);
  view.setUint32(12, options.blocks, true);
  view.setUint16(16, options.tokenMs, true);
  return payload;
}

function putU24(into: Uint8Array, at: number, value: number): void {
  const most = Math.min(Math.max(0, Math.floor(value)), MAX_DEADLINE_MS);
  into[at] = most & 0xff;
  into[at + 1] = (most >> 8) & 0xff;
  into[at + 2] = most >> 16;
}

/** How a command or a transfer ended. */
export interface SdxResult {
  /** Undefined: none came. */
  readonly r1: number | undefined;
  /** Four bytes; how many of them came, the command says. */
  readonly extra: Uint8Array;
  /** The token or data response that ended it. */
  readonly detail: number;
  readonly cardKnown: boolean;
  readonly blocksDone: number;
  readonly bytesClocked: number;
  readonly waitBytes: number;
}

/** Payload of the reply to SDX_COMMAND, SDX_READ and SDX_WRITE; undefined if it has another length. */
export function decodeResult(payload: Uint8Array): SdxResult | undefined {
  if (payload.length !== SDX.RESULT_BYTES) return undefined;
  const view = viewOf(payload);
  const r1 = view.getUint8(0);
  return {
    r1: r1 === SDX.NO_R1 ? undefined : r1,
    extra: payload.slice(1, 5),
    detail: view.getUint8(5),
    cardKnown: (view.getUint8(6) & SDX.CARD_KNOWN) !== 0,
    blocksDone: view.getUint32(8, true),
    bytesClocked: view.getUint32(12, true),
    waitBytes: view.getUint32(16, true),
  };
}

/** Payload of SDX_ABORT; with `known` the card is recovered too. */
export function encodeAbortPayload(
  deadlineMs: number,
  known: RecoveryKnowledge | undefined,
): Uint8Array {
  const payload = new Uint8Array(SDX.ABORT_BYTES);
  if (known !== undefined) {
    const reading = known.mayBeReading === true ? SDX.MAY_BE_READING : 0;
    const told = known.mayBeReading === undefined ? 0 : SDX.HOST_KNOWS | reading;
    payload[0] = SDX.RECOVER | (known.crcProved ? SDX.CRC_PROVED : 0) | told;
  }
  putU24(payload, 1, deadlineMs);
  return payload;
}

/** What SDX_ABORT tells. */
export interface SdxAborted {
  readonly sequence: number;
  /** 0: there was none. */
  readonly opcode: number;
  readonly status: number;
  readonly cardKnown: boolean;
  readonly blocksDone: number;
  readonly outcome: number;
  /** R1 and R2 of the last probe. */
  readonly probe: readonly [number, number] | undefined;
  readonly steps: readonly number[];
  readonly bytesClocked: number;
  readonly waitBytes: number;
}

/** Payload of the reply to SDX_ABORT; undefined if it has another length. */
export function decodeAborted(payload: Uint8Array): SdxAborted | undefined {
  if (payload.length !== SDX.ABORT_REPLY_BYTES) return undefined;
  const view = viewOf(payload);
  const [r1, r2] = [view.getUint8(9), view.getUint8(10)];
  const steps = Math.min(view.getUint8(11), SDX.MAX_STEPS);
  return {
    sequence: view.getUint8(0),
    opcode: view.getUint8(1),
    status: view.getUint8(2),
    cardKnown: (view.getUint8(3) & SDX.CARD_KNOWN) !== 0,
    blocksDone: view.getUint32(4, true),
    outcome: view.getUint8(8),
    probe: r1 === SDX.NO_R1 ? undefined : [r1, r2],
    steps: [...payload.subarray(12, 12 + steps)],
    bytesClocked: view.getUint32(28, true),
    waitBytes: view.getUint32(32, true),
  };
}

/** Payload of SDX_CONTROL. */
export function encodeControlPayload(what: number, value: number): Uint8Array {
  const payload = new Uint8Array(SDX.CONTROL_BYTES);
  payload[0] = what;
  viewOf(payload).setUint32(1, value, true);
  return payload;
}

/** The u32 of the reply to SDX_CONTROL; undefined if it has another length. */
export function decodeControl(payload: Uint8Array): number | undefined {
  return payload.length === SDX.CONTROL_REPLY_BYTES
    ? viewOf(payload).getUint32(0, true)
    : undefined;
}

/** Counters of a device since its start. */
export interface SdxStats {
  readonly uptimeMs: number;
  readonly frames: number;
  readonly damagedFrames: number;
  readonly repeatedReplies: number;
  readonly bytesFromHost: number;
  readonly bytesToHost: number;
  readonly spiBytes: number;
  readonly pollingBytes: number;
  readonly blocksRead: number;
  readonly blocksWritten: number;
  /** Bytes of the host that nobody took in time. */
  readonly bytesLost: number;
}

/** Payload of the reply to SDX_STATS; undefined if it has another length. */
export function decodeStats(payload: Uint8Array): SdxStats | undefined {
  if (payload.length !== SDX.STATS_BYTES) return undefined;
  const view = viewOf(payload);
  return {
    uptimeMs: view.getUint32(0, true),
    frames: view.getUint32(4, true),
    damagedFrames: view.getUint32(8, true),
    repeatedReplies: view.getUint32(12, true),
    bytesFromHost: view.getUint32(16, true),
    bytesToHost: view.getUint32(20, true),
    spiBytes: view.getUint32(24, true),
    pollingBytes: view.getUint32(28, true),
    blocksRead: view.getUint32(32, true),
    blocksWritten: view.getUint32(36, true),
    bytesLost: view.getUint32(40, true),
  };
}
