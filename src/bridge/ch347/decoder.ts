import { viewOf } from "../../util/bytes.js";
import {
  CLOCK_SHIFT,
  COMMAND,
  COUNT_BYTES,
  CS_BIT,
  CS_BYTES,
  HEAD_BYTES,
  SETTING,
  SETTINGS_BYTES,
  SLOWEST_CLOCK_INDEX,
  WORD,
} from "./wire.js";

export { type AnswerFrame, AnswerReader } from "./answers.js";
export { COMMAND, clockHz, HEAD_BYTES, PAYLOAD_BYTES, SETTINGS_BYTES } from "./wire.js";

/** The payload of C0, and of the answer to CA. */
export interface SpiSettings {
  readonly master: boolean;
  readonly dataBits: 8 | 16;
  readonly cpol: 0 | 1;
  readonly cpha: 0 | 1;
  /** CS goes by {@link COMMAND.chipSelect}, not by itself. */
  readonly softwareCs: boolean;
  /** SCK is 60 MHz / 2^index. */
  readonly clockIndex: number;
  readonly lsbFirst: boolean;
  readonly intervalUs: number;
  /** What MOSI shows during a C3. */
  readonly idleByte: number;
  /** Bits 7 and 6, one a chip select (which is which: bridges.md 9); 0: active low. */
  readonly csPolarity: number;
}

/** What a C1 does to one chip select. */
export interface CsChange {
  readonly level: "low" | "high" | "keep";
  readonly autoRelease: boolean;
  readonly activeUs: number;
  readonly releaseUs: number;
}

/** One command of an OUT transfer. `offset` is in the transfer. */
export type Ch347Event =
  | { readonly kind: "readConfig"; readonly offset: number }
  | { readonly kind: "configure"; readonly offset: number; readonly settings: SpiSettings }
  | {
      readonly kind: "cs";
      readonly offset: number;
      readonly cs1: CsChange;
      readonly cs2: CsChange;
    }
  | { readonly kind: "exchange"; readonly offset: number; readonly mosi: Uint8Array }
  | { readonly kind: "read"; readonly offset: number; readonly count: number }
  | { readonly kind: "write"; readonly offset: number; readonly mosi: Uint8Array }
  | { readonly kind: "clockFamily"; readonly offset: number; readonly family: number }
  /** A command whose length it cannot have, or whose payload is not all there. */
  | {
      readonly kind: "malformed";
      readonly offset: number;
      readonly command: number;
      readonly why: "truncated" | "length";
    }
  /** No command; what follows it cannot be told. */
  | { readonly kind: "unknown"; readonly offset: number; readonly value: number };

const COMMANDS: ReadonlySet<number> = new Set(Object.values(COMMAND));

/** What an OUT transfer makes the chip do. */
export function decodeTransfer(transfer: Uint8Array): Ch347Event[] {
  const events: Ch347Event[] = [];
  for (let offset = 0; offset < transfer.length; ) {
    const command = transfer[offset] as number;
    if (!COMMANDS.has(command)) return [...events, { kind: "unknown", offset, value: command }];
    const from = offset + HEAD_BYTES;
    const to = from + (from > transfer.length ? 0 : viewOf(transfer).getUint16(offset + 1, true));
    if (to > transfer.length)
      return [...events, { kind: "malformed", offset, command, why: "truncated" }];
    events.push(decodeCommand(command, offset, transfer.slice(from, to)));
    offset = to;
  }
  return events;
}

/** The 26 bytes of the settings; undefined for any other number of bytes. */
export function decodeSettings(payload: Uint8Array): SpiSettings | undefined {
  if (payload.length !== SETTINGS_BYTES) return undefined;
  const view = viewOf(payload);
  const word = (at: number): number => view.getUint16(at, true);
  return {
    master: word(SETTING.mode) === WORD.master,
    dataBits: word(SETTING.dataSize) === 0 ? 8 : 16,
    cpol: word(SETTING.cpol) === 0 ? 0 : 1,
    cpha: word(SETTING.cpha) === 0 ? 0 : 1,
    softwareCs: word(SETTING.nss) === WORD.softwareCs,
    clockIndex: (word(SETTING.prescaler) >> CLOCK_SHIFT) & SLOWEST_CLOCK_INDEX,
    lsbFirst: word(SETTING.firstBit) !== 0,
    intervalUs: word(SETTING.intervalUs),
    idleByte: payload[SETTING.idleByte] as number,
    csPolarity: payload[SETTING.csPolarity] as number,
  };
}

function decodeCommand(command: number, offset: number, payload: Uint8Array): Ch347Event {
  const wrongLength: Ch347Event = { kind: "malformed", offset, command, why: "length" };
  switch (command) {
    case COMMAND.readSettings:
      return { kind: "readConfig", offset };
    case COMMAND.writeSettings: {
      const settings = decodeSettings(payload);
      return settings === undefined ? wrongLength : { kind: "configure", offset, settings };
    }
    case COMMAND.chipSelect:
      if (payload.length !== CS_BYTES) return wrongLength;
      return {
        kind: "cs",
        offset,
        cs1: csChange(payload, 0),
        cs2: csChange(payload, CS_BYTES / 2),
      };
    case COMMAND.read:
      if (payload.length !== COUNT_BYTES) return wrongLength;
      return { kind: "read", offset, count: viewOf(payload).getUint32(0, true) };
    case COMMAND.clockFamily:
      if (payload.length !== 1) return wrongLength;
      return { kind: "clockFamily", offset, family: payload[0] as number };
    default:
      if (payload.length === 0) return wrongLength;
      return { kind: command === COMMAND.write ? "write" : "exchange", offset, mosi: payload };
  }
}

function csChange(payload: Uint8Array, at: number): CsChange {
  const bits = payload[at] as number;
  const released = (bits & CS_BIT.release) !== 0;
  const view = viewOf(payload);
  return {
    level: (bits & CS_BIT.change) === 0 ? "keep" : released ? "high" : "low",
    autoRelease: (bits & CS_BIT.autoRelease) !== 0,
    activeUs: view.getUint16(at + 1, true),
    releaseUs: view.getUint16(at + 3, true),
  };
}
