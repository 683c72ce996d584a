import { ZONES } from "../../panel/record-bench.js";
import { BEFORE, type FireCase, nameOf } from "./bench.js";

/** A zone free and the ring full, with all that a card may be in the middle of. */
export const FIRE_CASES: readonly (readonly [string, FireCase])[] = [2, ZONES]
  .flatMap((records) => BEFORE.map((before) => ({ kmsgSize: 4096, records, before })))
  // In a full ring a record of the regular path and that of the panic replace one each.
  .filter(({ records, before }) => records < ZONES || before !== "appending")
  .map((panel) => [nameOf(panel), panel] as const);
