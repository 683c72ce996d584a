import { spawnSync } from "node:child_process";
import { expect, test } from "@jest/globals";

test("the demonstration of npm start runs to its end: every step as it must be", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/demo.mjs"], {
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("✓ the first record is whole, and nothing of the torn one is shown");
  expect(stdout).toContain("✓ the replay printed the same");
  expect(stdout).toContain("Done.");
}, 60_000);
