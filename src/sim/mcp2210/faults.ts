import type { ErrorCode } from "../../util/errors.js";

/**
 * Something going wrong with the n-th output report (from 0, since the model was made) or its answer; `out`: on its way to the chip, `in`:
 * on the way back. Each strikes once.
 */
export type Mcp2210Fault = { readonly report: number } & (
  | /** It never arrives; an output report is told as written all the same. */
  { readonly kind: "drop"; readonly way: "out" | "in" }
  /** A bit (bit 0 = bit 7 of the first byte) is inverted. */
  | { readonly kind: "flip"; readonly way: "out" | "in"; readonly bit: number }
  /** The answer comes late; those behind it wait. */
  | { readonly kind: "delay"; readonly us: number }
  /** Writing it fails, and it is lost. */
  | { readonly kind: "fail"; readonly code: ErrorCode }
  /** The chip does nothing but answer with this status. */
  | { readonly kind: "status"; readonly status: number }
);

/** The faults still to strike. */
export class FaultPlan {
  #faults: Mcp2210Fault[] = [];

  add(fault: Mcp2210Fault): void {
    this.#faults.push(fault);
  }

  /** Those of the report, which strike now. */
  take(report: number): ReportFaults {
    const struck = this.#faults.filter((fault) => fault.report === report);
    if (struck.length > 0) this.#faults = this.#faults.filter((fault) => fault.report !== report);
    return new ReportFaults(struck);
  }
}

/** What strikes one report and its answer. */
export class ReportFaults {
  readonly #struck: readonly Mcp2210Fault[];

  constructor(struck: readonly Mcp2210Fault[]) {
    this.#struck = struck;
  }

  dropped(way: "out" | "in"): boolean {
    return this.#struck.some((fault) => fault.kind === "drop" && fault.way === way);
  }

  get delayUs(): number {
    return this.#struck.reduce((sum, fault) => sum + (fault.kind === "delay" ? fault.us : 0), 0);
  }

  get failure(): ErrorCode | undefined {
    return this.#struck.flatMap((fault) => (fault.kind === "fail" ? [fault.code] : []))[0];
  }

  get status(): number | undefined {
    return this.#struck.flatMap((fault) => (fault.kind === "status" ? [fault.status] : []))[0];
  }

  /** A copy with the bits inverted. */
  damage(report: Uint8Array, way: "out" | "in"): Uint8Array {
    const bytes = report.slice();
    for (const fault of this.#struck) {
      if (fault.kind !== "flip" || fault.way !== way) continue;
      const at = fault.bit >> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (0x80 >> (fault.bit & 7));
    }
    return bytes;
  }
}
