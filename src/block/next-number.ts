/**
 * Number of a new partition: behind the highest in use, so that nothing which still names a deleted one finds another in its place; a hole only
 * when there is no other. undefined if all are in use.
 */
export function nextNumber(used: readonly number[], count: number): number | undefined {
  const taken = new Set(used);
  const behind = Math.max(0, ...used) + 1;
  if (behind <= count) return behind;
  for (let number = 1; number <= count; number++) if (!taken.has(number)) return number;
  return undefined;
}
