/** Lines that deflate to about a third, none like another. */
export function logOf(lines: number): string {
  let seed = 7;
  return Array.from({ length: lines }, (_, at) => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return `<6>[${(at / 7).toFixed(6).padStart(12)}] task ${seed.toString(36)} at ${seed}\n`;
  }).join("");
}

/** One line (latin1) that is hard to deflate below its length. */
export function noise(length: number): string {
  let state = 1;
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out[at] = state >>> 24 === 0x0a ? 0x20 : state >>> 24;
  }
  return out.toString("latin1");
}
