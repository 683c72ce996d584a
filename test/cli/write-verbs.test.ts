import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeEach, describe, expect, it } from "@jest/globals";
import { cli } from "../support/fake-io.js";
import { hashOf, TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const MIB = 1 << 20;
const LOG = "<6>[    1.000000] Booting\n<0>[    2.000000] Kernel panic - not syncing: test\n";
const path = folder.at("card.img");
const device = ["-d", `image:${path}`];
const log = folder.write("log.txt", LOG);

beforeEach(() => writeFileSync(path, new Uint8Array(16 * MIB)));

async function created(...more: string[]): Promise<string> {
  const { exit, out, err } = await cli([...device, "-y", "part", "create", ...more]);
  expect([exit, err]).toEqual([0, expect.any(String)]);
  return out;
}

describe("part create", () => {
  it("plans without writing, then makes what it planned", async () => {
    const before = hashOf(path);
    const plan = await cli([...device, "--dry-run", "part", "create", "--size", "2MiB"]);
    expect([plan.exit, hashOf(path)]).toEqual([0, before]);
    expect(plan.out).toContain("would create p1 (GPT)");
    expect(await created("--size", "2MiB")).toContain("created p1 (GPT): 4096 blocks");
    const { out } = await cli([...device, "part", "list", "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      schema: "mmcpstore/part-list/1",
      kind: "gpt",
      entries: [{ number: 1, blockCount: 4096, label: "pstore" }],
    });
    expect((await cli([...device, "part", "list"])).out).toContain("p1    8192");
  });

  it("adds to a table without asking, and says so as JSON", async () => {
    await created();
    const { exit, out } = await cli([...device, "--json", "part", "create", "--label", "second"]);
    expect([exit, JSON.parse(out).entry.number]).toEqual([0, 2]);
    expect((await cli([...device, "part", "create", "--label", "second"])).exit).toBe(8);
  });

  it("takes a typed yes on a terminal, and nothing else", async () => {
    const before = hashOf(path);
    const no = await cli([...device, "part", "create"], { terminal: true, answer: "no" });
    expect([no.exit, no.io.questions.length, hashOf(path)]).toEqual([8, 1, before]);
    const yes = await cli([...device, "part", "create"], { terminal: true, answer: "yes" });
    expect(yes.exit).toBe(0);
  });
});

describe("pstore write, list, show, erase, format", () => {
  const args = (...verb: string[]): string[] => [...device, "pstore", ...verb];

  it("keeps a record through its life", async () => {
    await created();
    expect((await cli(args("format", "-y"))).out).toContain("emptied 16 zones");
    const time = ["--time", "2026-01-02T03:04:05.5Z", "--no-compress"];
    const wrote = await cli(args("write", log, "--reason", "oops", ...time));
    expect([wrote.exit, wrote.out]).toEqual([
      0,
      expect.stringContaining("wrote dmesg-pstore_blk-0: Oops #1"),
    ]);
    const { records } = JSON.parse((await cli(args("list", "--json"))).out);
    expect(records).toMatchObject([
      { zone: 0, reason: "Oops", time: "2026-01-02T03:04:05.500000000Z", state: "verified" },
    ]);
    expect((await cli(args("show", "0"))).out).toContain(LOG);
    expect((await cli(args("erase", "0", "--dry-run"))).out).toContain("would erase");
    expect((await cli(args("erase", "0", "-y", "--json"))).out).toContain("dmesg-pstore_blk-0");
    expect((await cli(args("show", "0"))).exit).toBe(9);
    expect((await cli(args("erase", "--all", "-y"))).err).toContain("no record to erase");
  });

  it("writes nothing with --dry-run", async () => {
    await created();
    const before = hashOf(path);
    for (const verb of [["write", log], ["format"], ["erase", "--all"]])
      expect((await cli(args(...verb, "--dry-run"))).exit).toBe(0);
    expect(hashOf(path)).toBe(before);
  });

  it("says what was left out, raised or replaced", async () => {
    await created("--size", "128K");
    const lines = Array.from(
      { length: 4000 },
      (_, at) => `<6>[${at}] line ${at * 7919} of a log\n`,
    );
    const long = { stdin: lines.join("") };
    const first = await cli(args("write", "-", "--no-compress", "--time", "2030-01-01"), long);
    expect(first.err).toContain("did not fit");
    const second = await cli(args("write", "-", "--compress", "--time", "2020-01-01"), {
      stdin: LOG,
    });
    expect(second.err).toContain("raised from 2020-01-01T00:00:00Z");
    expect(second.out).toContain("deflated to");
    const third = await cli(args("write", log, "--json", "--layout", "le64"));
    expect(JSON.parse(third.out).replaced).toMatchObject({ reason: "Panic" });
  });

  it("tells a kernel's parameters, and finds damage", async () => {
    await created();
    await cli(args("write", log));
    const good = await cli(args("check"));
    expect([good.exit, good.out]).toEqual([0, expect.stringContaining("pstore_blk.kmsg_size=64")]);
    expect(good.out).toMatch(/PARTUUID=[0-9a-f-]{36}/);
    const bytes = readFileSync(path);
    const at = bytes.indexOf("Kernel panic");
    bytes.write("Kermit", at);
    writeFileSync(path, bytes);
    expect((await cli(args("check"))).exit).toBe(7);
    expect((await cli(args("check", "--json"))).out).toContain('"damaged": true');
    const list = await cli(args("list"));
    expect([list.exit, list.out]).toEqual([7, expect.stringContaining("torn")]);
    const show = await cli(args("show", "0"));
    expect([show.exit, show.out]).toEqual([7, expect.stringContaining("Kermit")]);
    expect((await cli(args("check", "--kmsg-size", "16M"))).exit).toBe(4);
  });

  it("reads another way of saying a time", async () => {
    await created();
    const { out } = await cli(args("write", log, "--json", "--time", "2026-01-02 05:04+0200"));
    expect(JSON.parse(out).time).toBe("2026-01-02T03:04:00Z");
  });
});

describe("read, write, verify, erase", () => {
  const data = Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 31) & 0xff));
  const file = folder.write("data.bin", data);

  it("copies there and back", async () => {
    const wrote = await cli([...device, "-y", "--json", "write", file, "8s+4K"]);
    expect([wrote.exit, JSON.parse(wrote.out)]).toMatchObject([0, { startLba: 8, verified: true }]);
    expect((await cli([...device, "verify", file, "8s+4K"])).exit).toBe(0);
    const back = folder.at("back.bin");
    expect((await cli([...device, "read", "4K..8K", back])).err).toContain("sha256");
    expect(readFileSync(back).equals(data)).toBe(true);
    expect((await cli([...device, "read", "4K+4K", "-"])).io.outBytes.equals(data)).toBe(true);
    expect(existsSync(`${back}.part`)).toBe(false);
  });

  it("takes stdin, and says what differs", async () => {
    expect((await cli([...device, "-y", "write", "-", "0+1M"], { stdin: data })).exit).toBe(0);
    const other = Buffer.from(data);
    other[1025] = 0xee;
    const { exit, err, out } = await cli([...device, "--json", "verify", "-", "0+1M"], {
      stdin: other,
    });
    expect([exit, JSON.parse(err).code]).toEqual([7, "VERIFY_DIFFERS"]);
    expect(JSON.parse(out)).toMatchObject({
      equal: false,
      differingBlocks: 1,
      firstDifferingLba: 2,
    });
  });

  it("erases, and writes nothing with --dry-run", async () => {
    await cli([...device, "-y", "write", file, "0+4K"]);
    const before = hashOf(path);
    for (const verb of [
      ["erase", "0+4K"],
      ["write", file, "8K+4K"],
    ])
      expect((await cli([...device, "--dry-run", ...verb])).out).toContain("would");
    expect(hashOf(path)).toBe(before);
    expect((await cli([...device, "-y", "erase", "0+4K"])).exit).toBe(0);
    expect(
      readFileSync(path)
        .subarray(0, 4096)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  it("draws progress on a terminal only", async () => {
    const target = folder.at("progress.bin");
    const shown = await cli([...device, "read", "whole", target], { terminal: true });
    expect(shown.err).toContain("100 %");
    const plain = await cli([...device, "read", "whole", target]);
    expect(plain.err).not.toContain("%");
  });
});
