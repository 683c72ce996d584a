import { createHash } from "node:crypto";

/** Gives `length` random bytes. */
export type RandomSource = (length: number) => Uint8Array;

/**
 * A repeatable source of randomness (SHA-256 over seed and a counter): a recorded run and its replay draw the same
 * bytes. As unpredictable as its seed.
 */
export function createRandom(seed: Uint8Array): RandomSource {
  let counter = 0;
  let rest = Buffer.alloc(0);
  const refill = (): void => {
    const block = createHash("sha256").update(seed).update(String(counter++)).digest();
    rest = Buffer.concat([rest, block]);
  };
  return (length) => {
    while (rest.length < length) refill();
    const bytes = new Uint8Array(rest.subarray(0, length));
    rest = rest.subarray(length);
    return bytes;
  };
}
