import { describeR1 } from "./r1.js";
import { errorTokenNames } from "./status.js";

/** A command of six bytes from the host. `at` is the number of its first byte, of all that were pushed. */
export interface CommandEvent {
  readonly kind: "command";
  readonly at: number;
  readonly token: Uint8Array;
  readonly index: number;
  readonly app: boolean;
  /** `CMD17 READ_SINGLE_BLOCK`; `CMD63` where the number is reserved. */
  readonly name: string;
  readonly argument: number;
  readonly crc7: number;
  readonly crc7Expected: number;
}

export interface ResponseEvent {
  readonly kind: "response";
  readonly at: number;
  /** Bytes between the command and R1; the stuff byte of CMD12 is not one of them. */
  readonly ncr: number;
  readonly r1: number;
  /** Behind R1: 1 byte of R2, 4 of R3 and R7. */
  readonly extra: Uint8Array;
}

/** A data block, in either direction. */
export interface BlockEvent {
  readonly kind: "block";
  readonly at: number;
  readonly direction: "read" | "write";
  readonly token: number;
  /** Bytes in front of the token: NAC of a read, NWR of a write. */
  readonly gap: number;
  readonly data: Uint8Array;
  readonly crc16: number;
  readonly crc16Expected: number;
}

export type CardEvent =
  | CommandEvent
  | ResponseEvent
  | BlockEvent
  | { readonly kind: "no-response"; readonly at: number }
  | { readonly kind: "error-token"; readonly at: number; readonly value: number }
  /** `gap`: bytes between the block's CRC and this. */
  | {
      readonly kind: "data-response";
      readonly at: number;
      readonly gap: number;
      readonly value: number;
    }
  | { readonly kind: "stop-token"; readonly at: number }
  /** `bytes` of 00. */
  | { readonly kind: "busy"; readonly at: number; readonly bytes: number };

const DATA_RESPONSES: Readonly<Record<number, string>> = {
  5: "accepted",
  11: "CRC error",
  13: "write error",
};

/** An event in one line, for people. */
export function describeCardEvent(event: CardEvent): string {
  switch (event.kind) {
    case "command": {
      const wrong =
        event.crc7 === event.crc7Expected
          ? ""
          : `, CRC7 ${hex(event.crc7, 2)} is wrong (${hex(event.crc7Expected, 2)})`;
      return `${event.name} argument 0x${hex(event.argument, 8)}${wrong}`;
    }
    case "response": {
      const extra = event.extra.length === 0 ? "" : ` ${Buffer.from(event.extra).toString("hex")}`;
      return `  R1 ${hex(event.r1, 2)} (${describeR1(event.r1)})${extra}, NCR ${event.ncr}`;
    }
    case "no-response":
      return "  no response";
    case "block": {
      const wrong =
        event.crc16 === event.crc16Expected
          ? "CRC16 right"
          : `CRC16 ${hex(event.crc16, 4)} is wrong (${hex(event.crc16Expected, 4)})`;
      return `  ${event.direction} block of ${event.data.length} bytes, token ${hex(event.token, 2)} after ${event.gap}, ${wrong}`;
    }
    case "error-token":
      return `  error token ${hex(event.value, 2)} (${errorTokenNames(event.value).join(", ")})`;
    case "data-response":
      return `  data response ${hex(event.value, 2)} (${DATA_RESPONSES[event.value & 0x1f] ?? "unknown"})`;
    case "stop-token":
      return "  stop token";
    case "busy":
      return `  busy for ${event.bytes} bytes`;
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
