/** Which opcodes exist: the FT2232D knows fewer, 9E is the FT232H's alone. */
export type MpsseChip = "ft2232d" | "ft232h" | "ft2232h" | "ft4232h";

type Edge = "rising" | "falling";

interface At {
  /** Of the opcode (of a payload: of its first byte) in the OUT stream since construction or reset. */
  readonly offset: number;
}

/** Head of a shift command; its payload, if it writes, follows as {@link MpssePayload} events. */
export interface MpsseShift extends At {
  readonly kind: "shift";
  readonly opcode: number;
  readonly unit: "bytes" | "bits";
  /** In `unit`: 1..65536 bytes, or 1..256 bits (the chip takes 8 at most). */
  readonly length: number;
  readonly write: boolean;
  readonly read: boolean;
  /** The payload goes to TMS (the CS pin), not to DO. */
  readonly tms: boolean;
  readonly lsbFirst: boolean;
  /** The clock edge on which DO changes. */
  readonly writeEdge: Edge;
  /** The clock edge on which DI is sampled. */
  readonly readEdge: Edge;
  readonly payloadBytes: number;
  readonly replyBytes: number;
}

/** Some of the bytes that a shift writes, as they came. */
export interface MpssePayload extends At {
  readonly kind: "payload";
  /** A view of the bytes pushed: valid until the caller reuses them. */
  readonly bytes: Uint8Array;
  /** The shift has all its bytes now. */
  readonly last: boolean;
}

/** Wait for a level of GPIOL1. */
export interface MpsseWait extends At {
  readonly kind: "wait";
  readonly level: "high" | "low";
  /** `none`: no clocks, without bound (88, 89); `unbounded`: clocking (94, 95); a number: at most that many (9C, 9D). */
  readonly clocks: "none" | "unbounded" | number;
}

export type MpsseEvent =
  | MpsseShift
  | MpssePayload
  | MpsseWait
  /** Direction bits: 1 = output. */
  | (At & {
      readonly kind: "setPins";
      readonly bank: "low" | "high";
      readonly value: number;
      readonly direction: number;
    })
  /** One reply byte. */
  | (At & { readonly kind: "readPins"; readonly bank: "low" | "high" })
  | (At & { readonly kind: "loopback"; readonly on: boolean })
  /** SCK = base / (2 * (1 + divisor)). */
  | (At & { readonly kind: "divisor"; readonly divisor: number })
  /** Send what there is to the host now. */
  | (At & { readonly kind: "flush" })
  /** On: base 12 MHz; off: 60 MHz. */
  | (At & { readonly kind: "divideBy5"; readonly on: boolean })
  | (At & { readonly kind: "threePhase"; readonly on: boolean })
  | (At & { readonly kind: "adaptive"; readonly on: boolean })
  /** Clocks without data; DO stays as it is. */
  | (At & { readonly kind: "clocks"; readonly bits: number })
  /** Pins whose bit is set drive 0 only, and float for 1. */
  | (At & { readonly kind: "driveZero"; readonly low: number; readonly high: number })
  /** Answered by `FA opcode`. */
  | (At & { readonly kind: "badOpcode"; readonly opcode: number });

/** Bytes that executing `event` puts into the chip's FIFO towards the host. */
export function replyBytes(event: MpsseEvent): number {
  if (event.kind === "shift") return event.replyBytes;
  if (event.kind === "badOpcode") return 2;
  return event.kind === "readPins" ? 1 : 0;
}
