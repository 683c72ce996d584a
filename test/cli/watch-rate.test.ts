import { spawnSync } from "node:child_process";
import { afterAll, describe, expect, it } from "@jest/globals";
import { TempFolder } from "../support/temp-images.js";

const LINES = 100_000;
const folder = new TempFolder();
afterAll(() => folder.remove());

/** A console that talks fast: every 10 000th line ends a report. */
function chatter(): string {
  const line = (at: number): string => {
    const time = `[${(at / 1e4).toFixed(6).padStart(12)}]`;
    if (at % 10_000 === 9000) return `${time} kernel BUG at drivers/demo.c:${at}!\r\n`;
    if (at % 10_000 === 9999) return `${time} ---[ end trace 0000000000000000 ]---\r\n`;
    return `${time} usb 1-1: line ${at} of a driver that talks too much\r\n`;
  };
  return Array.from({ length: LINES }, (_, at) => line(at)).join("");
}

/** 300 000 lines that were all held would take more; the program itself takes half. */
const HEAP_MIB = 32;

interface WatchRun {
  readonly status: number | null;
  readonly end: Readonly<Record<string, unknown>>;
  readonly records: number;
}

function watch(input: string): WatchRun {
  const card = folder.write("card.img", new Uint8Array(1 << 20));
  const args = ["-d", `image:${card}`, "-p", "whole", "--json", "watch", "--console", "-"];
  const { status, stdout } = spawnSync(
    process.execPath,
    [`--max-old-space-size=${HEAP_MIB}`, "dist/cli/main.js", ...args],
    { input, encoding: "utf8", maxBuffer: 1 << 26 },
  );
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const records = events.filter(({ outcome }) => outcome === "committed").length;
  return { status, end: events.at(-1), records };
}

describe("100 000 lines through watch -", () => {
  const input = chatter();

  it("are 100 000 lines parsed, and every report is a record", () => {
    const run = watch(input);
    expect(run).toMatchObject({ status: 0, records: 10 });
    expect(run.end).toMatchObject({ event: "end", lines: LINES, records: 10 });
  });

  it("and 300 000 take no more memory", () => {
    const run = watch(input.repeat(3));
    expect(run).toMatchObject({ status: 0, records: 30 });
    expect(run.end).toMatchObject({ event: "end", lines: 3 * LINES });
  });
});
