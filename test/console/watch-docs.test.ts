import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { END_PATTERNS, START_PATTERNS } from "../../src/console/patterns.js";

const PAGE = join("docs", "WATCH.md");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [head, head.map(() => "---"), ...rows].map(line).join("");
}

/** In a table `|` separates cells, also within code. */
function code(pattern: RegExp): string {
  return `\`${pattern.source.replaceAll("\\/", "/").replaceAll("|", "\\|")}\`${pattern.flags}`;
}

const TABLES = {
  starts: table(
    ["what", "reason", "first line", "printed by"],
    START_PATTERNS.map(({ what, kind, pattern, source }) => [what, kind, code(pattern), source]),
  ),
  ends: table(
    ["of", "last line", "printed by"],
    END_PATTERNS.map(({ kind, pattern, source }) => [kind, code(pattern), source]),
  ),
} as const;

function withTable(page: string, name: keyof typeof TABLES): string {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(start) + start.length, page.indexOf(end)];
  expect(to).toBeGreaterThanOrEqual(from);
  return page.slice(0, from) + TABLES[name] + page.slice(to);
}

/** `UPDATE_GOLDEN=1` makes them anew. */
test("docs/WATCH.md has the tables of patterns that the follower uses", () => {
  const present = readFileSync(PAGE, "utf8");
  const made = withTable(withTable(present, "starts"), "ends");
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(PAGE, made);
  expect(readFileSync(PAGE, "utf8")).toBe(made);
  expect(made).toContain("kernel/panic.c, panic()");
});
