import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ADAPTERS, formatUsbId } from "../../../src/device/adapters/data.js";
import {
  adaptersPage,
  adaptersTable,
  withAdaptersTable,
} from "../../../src/device/adapters/docs.js";

const PAGE = join("docs", "ADAPTERS.md");
const README = "README.md";

/** `UPDATE_GOLDEN=1` writes both anew. */
function upToDate(path: string, make: (present: string) => string | undefined): void {
  const update = process.env["UPDATE_GOLDEN"] === "1";
  const made = make(readFileSync(path, { encoding: "utf8", flag: update ? "a+" : "r" }));
  if (update && made !== undefined) writeFileSync(path, made);
  expect(readFileSync(path, "utf8")).toBe(made);
}

describe("the documentation of the adapters", () => {
  it("docs/ADAPTERS.md is what the data says", () => upToDate(PAGE, adaptersPage));

  it("the README's table is what the data says", () => upToDate(README, withAdaptersTable));

  it.each(ADAPTERS.map((adapter) => [adapter.chip, adapter] as const))(
    "%s: every id, pin, rate and warning is there",
    (_, { usbIds, refused, pins, rates, warnings, voltage, proof }) => {
      const page = adaptersPage();
      for (const id of [...usbIds, ...refused]) expect(page).toContain(formatUsbId(id));
      for (const { chipPin, label } of pins) expect(page).toContain(`| ${chipPin} | ${label} |`);
      for (const { text, source } of rates) {
        expect(page).toContain(text);
        expect(page).toContain(source);
      }
      for (const text of [...warnings, voltage]) expect(page).toContain(text);
      if (proof !== "hardware") expect(page).toContain("no hardware yet");
    },
  );

  it("names published figures as such, apart from computed ones", () => {
    const published = ADAPTERS.flatMap(({ rates }) => rates).filter(
      ({ kind }) => kind === "published",
    );
    expect(published.length).toBeGreaterThan(3);
    for (const { text } of published) {
      expect(adaptersTable()).toContain(`published: ${text}`);
      expect(adaptersPage()).toContain(`| ${text} | published by others, not measured by us |`);
    }
  });

  it("has no place in a text without its markers", () => {
    expect(withAdaptersTable("# a README")).toBeUndefined();
    expect(withAdaptersTable("<!-- /adapters --><!-- adapters -->")).toBeUndefined();
    const text = "a\n<!-- adapters -->\nold\n<!-- /adapters -->\nb\n";
    expect(withAdaptersTable(text)).toBe(
      `a\n<!-- adapters -->\n${adaptersTable()}<!-- /adapters -->\nb\n`,
    );
  });
});
