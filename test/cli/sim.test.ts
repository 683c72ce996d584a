import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runCli } from "../../src/cli/program.js";
import { cli, FakeIo } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const card = folder.at("card.img");
const device = ["-d", `sim:${card}`];
const log = folder.write("log.txt", "<0>[    2.000000] Kernel panic - not syncing: test\n");

beforeAll(async () => {
  writeFileSync(card, new Uint8Array(16 << 20));
  expect((await cli([...device, "-y", "part", "create"])).exit).toBe(0);
});

describe("the whole stack on simulated hardware", () => {
  it("tells about the card", async () => {
    const { exit, out } = await cli([...device, "info"]);
    expect([exit, out]).toEqual([0, expect.stringContaining("CSD")]);
    expect(out).toContain("FT232H");
    const json = JSON.parse((await cli([...device, "info", "--json"])).out);
    expect(json).toMatchObject({ schema: "mmcpstore/info/1", table: { kind: "gpt" } });
    expect(json.card.cid.raw).toMatch(/^[0-9a-f]{32}$/);
  });

  it("ends at a signal, with its code", async () => {
    for (const [signal, exit] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const io = new FakeIo();
      const run = runCli([...device, "read", "whole", folder.at("signal.bin")], io);
      await new Promise((resolve) => setImmediate(resolve));
      io.signal(signal);
      expect([signal, await run]).toEqual([signal, exit]);
    }
  });
});

describe("record and replay", () => {
  const cassette = folder.at("run.cassette");

  it("runs again without a card, from the cassette alone", async () => {
    const recorded = await cli([
      ...device,
      "record",
      "-o",
      cassette,
      "--",
      "pstore",
      "write",
      "--no-compress",
      log,
    ]);
    expect([recorded.exit, recorded.err]).toEqual([0, expect.stringContaining("recorded to")]);
    const replayed = await cli(["replay", cassette]);
    expect([replayed.exit, replayed.out]).toEqual([0, recorded.out]);
    const named = await cli(["replay", cassette, "--", "pstore", "write", "--no-compress", log]);
    expect([named.exit, named.out]).toEqual([0, recorded.out]);
  });

  it("refuses another command than the recorded one", async () => {
    const other = await cli(["replay", cassette, "--", "info"]);
    expect([other.exit, other.err]).toEqual([7, expect.stringMatching(/does not match at #\d+/)]);
  });

  it("refuses a cassette with one changed character", async () => {
    const text = readFileSync(cassette, "utf8").split("\n");
    text[20] = (text[20] ?? "").replace(/"t":\d/, '"t":9');
    const changed = folder.write("changed.cassette", text.join("\n"));
    const { exit, err } = await cli(["replay", changed]);
    expect([exit, err]).toEqual([7, expect.stringContaining("damaged at line #20")]);
  });

  it("refuses nesting, and a cassette that cannot be written", async () => {
    const nested = ["record", "-o", cassette, "--", "record", "-o", "b", "--", "info"];
    expect((await cli([...device, ...nested])).exit).toBe(2);
    const nowhere = await cli([
      ...device,
      "record",
      "-o",
      folder.at("no/such/folder"),
      "--",
      "info",
    ]);
    expect([nowhere.exit, nowhere.err]).toEqual([2, expect.stringContaining("cannot be written")]);
  });
});
