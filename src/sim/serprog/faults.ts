/** Something that goes wrong with the byte of this number (from 0, counted since the model was made) on its way. Strikes once. */
export interface SerprogFault {
  readonly direction: "toBoard" | "toHost";
  readonly byte: number;
  readonly kind: "lose" | "duplicate" | "change" | "insert";
  /** `change`: bits that are inverted, default all. `insert`: the byte that comes in front of it, default 00. */
  readonly value?: number;
}

type Direction = SerprogFault["direction"];

/** The faults still to strike, and how many bytes have passed. */
export class FaultPlan {
  readonly #faults = new Map<string, SerprogFault>();
  readonly #passed: Record<Direction, number> = { toBoard: 0, toHost: 0 };

  add(fault: SerprogFault): void {
    this.#faults.set(`${fault.direction}:${fault.byte}`, fault);
  }

  /** Bytes that went in, whatever became of them. */
  passed(direction: Direction): number {
    return this.#passed[direction];
  }

  /** What arrives of `bytes`. */
  pass(direction: Direction, bytes: Uint8Array): Uint8Array {
    const first = this.#passed[direction];
    this.#passed[direction] += bytes.length;
    if (this.#faults.size === 0) return bytes;
    const arrives: number[] = [];
    bytes.forEach((byte, at) => {
      const key = `${direction}:${first + at}`;
      const fault = this.#faults.get(key);
      this.#faults.delete(key);
      arrives.push(...struck(byte, fault));
    });
    return Uint8Array.from(arrives);
  }
}

function struck(byte: number, fault: SerprogFault | undefined): number[] {
  switch (fault?.kind) {
    case undefined:
      return [byte];
    case "lose":
      return [];
    case "duplicate":
      return [byte, byte];
    case "change":
      return [byte ^ (fault.value ?? 0xff)];
    case "insert":
      return [fault.value ?? 0, byte];
  }
}
