/** Columns padded to their widest cell, two spaces between; the last is not padded. A header row first, if given. */
export function formatTable(
  rows: readonly (readonly string[])[],
  header?: readonly string[],
): string {
  const all = header === undefined ? rows : [header, ...rows];
  const widths: number[] = [];
  for (const row of all) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return all.map((row) => `${formatRow(row, widths)}\n`).join("");
}

function formatRow(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join("  ")
    .trimEnd();
}

/** `name: value` lines, the values aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[], indent = ""): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs
    .map(([name, value]) =>
      `${indent}${(name === "" ? "" : `${name}:`).padEnd(width + 1)} ${value}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}
