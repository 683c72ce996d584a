/** Trouble of single sectors or commands, on order. `times` counts down; Infinity stays. */
export type CardFault =
  /** An error token in place of the block: 01 error, 02 controller, 04 ECC failed, 08 out of range. */
  | {
      readonly kind: "read-error";
      readonly sector: number;
      readonly token: 0x01 | 0x02 | 0x04 | 0x08;
      readonly times: number;
    }
  /** The block goes out with a wrong CRC16. */
  | { readonly kind: "read-crc"; readonly sector: number; readonly times: number }
  /** Data response 0B: as if the block had come damaged. */
  | { readonly kind: "write-crc"; readonly sector: number; readonly times: number }
  /** Data response 0D, status "error". */
  | { readonly kind: "write-error"; readonly sector: number; readonly times: number }
  /** Accepted, but after busy the status says that it was not programmed. */
  | { readonly kind: "program-error"; readonly sector: number; readonly times: number }
  /** No response. */
  | { readonly kind: "no-response"; readonly command: number; readonly times: number };

/** The faults that are still to come. */
export class FaultPlan {
  #faults: CardFault[] = [];

  add(fault: CardFault): void {
    this.#faults.push(fault);
  }

  /** The first fault of one of these kinds for the sector (for `no-response`: the command), used up once. */
  take<K extends CardFault["kind"]>(
    kind: K,
    where: number,
  ): Extract<CardFault, { kind: K }> | undefined {
    if (this.#faults.length === 0) return undefined;
    const at = this.#faults.findIndex(
      (fault) =>
        fault.kind === kind &&
        (fault.kind === "no-response" ? fault.command : fault.sector) === where,
    );
    const fault = this.#faults[at] as Extract<CardFault, { kind: K }> | undefined;
    if (fault === undefined) return undefined;
    if (fault.times > 1) this.#faults[at] = { ...fault, times: fault.times - 1 };
    else this.#faults.splice(at, 1);
    return fault;
  }

  save(): readonly CardFault[] {
    return [...this.#faults];
  }

  restore(saved: readonly CardFault[]): void {
    this.#faults = [...saved];
  }
}
