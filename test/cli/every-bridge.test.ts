import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { BENCHES } from "../panel/unplugging.js";
import { cli } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const LOG = folder.write("log.txt", "<0>[    2.000000] Kernel panic - not syncing: recorded\n");
const ZONES = ["--part", "64s+32s", "--kmsg-size", "4K"];

function blankCard(): string {
  const path = folder.at("card.img");
  const file = openSync(path, "w");
  ftruncateSync(file, 1 << 20);
  closeSync(file);
  return path;
}

/** Identification by moving pins takes most of the time, and is in the panels. */
const QUICK = BENCHES.filter((bench) => bench !== "bridge=ch341a" && bench !== "bridge=ch347f");

describe.each(QUICK)("%s", (bench) => {
  const device = (path: string): string[] => ["-d", `sim:${path}?card=sdsc&init=1ms&${bench}`];

  it("is recorded, replayed with no card, and decoded down to card commands", async () => {
    const card = blankCard();
    const cassette = folder.at("run.cassette");
    const verb = ["pstore", "write", ...ZONES, LOG];
    const recorded = await cli([...device(card), "record", "-o", cassette, "--", ...verb]);
    expect([recorded.exit, recorded.err]).toEqual([0, expect.stringContaining("recorded to")]);
    rmSync(card);
    const replayed = await cli(["replay", cassette]);
    expect([replayed.exit, replayed.out]).toEqual([0, recorded.out]);
    const shown = await cli(["trace", "show", cassette]);
    expect([shown.exit, shown.err]).toEqual([0, ""]);
    for (const command of ["CMD0", "CMD8", "CMD59", "ACMD41", "CMD9", "CMD17", "CMD24", "CMD13"])
      expect(shown.out).toContain(command);
    const vcd = await cli(["trace", "export", "--format", "vcd", cassette, folder.at("run.vcd")]);
    expect(vcd.exit).toBe(0);
    rmSync(folder.at("run.vcd"));
  });

  it("tells a changed argument from the recording", async () => {
    const card = blankCard();
    const cassette = folder.at("other.cassette");
    await cli([
      ...device(card),
      "record",
      "-o",
      cassette,
      "--",
      "read",
      "0+4K",
      folder.at("a.bin"),
    ]);
    const other = await cli(["replay", cassette, "read", "512+4K", folder.at("b.bin")]);
    expect([other.exit, other.err]).toEqual([7, expect.stringContaining("does not match")]);
    rmSync(cassette);
  });

  it("writes a record by the panic path, and another one behind it", async () => {
    const card = blankCard();
    for (const index of [0, 1]) {
      const run = await cli([...device(card), "pstore", "write", "--panic", ...ZONES, LOG]);
      expect([run.exit, run.out]).toEqual([
        0,
        expect.stringContaining(`dmesg-pstore_blk-${index}`),
      ]);
    }
    const listed = await cli([...device(card), "pstore", "list", ...ZONES, "--json"]);
    expect(JSON.parse(listed.out).records).toHaveLength(2);
  });
});
