import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { unzipSync } from "fflate";
import { cli } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const FORMATS = ["vcd", "sr", "pcapng", "pcap", "umockdev"] as const;
const CASSETTE = folder.at("run.cassette");
const SERIAL = folder.at("serial.cassette");
const HID = folder.at("hid.cassette");

async function record(bridge: string, cassette: string): Promise<void> {
  const card = folder.at("card.img");
  writeFileSync(card, new Uint8Array(1 << 20));
  const device = `sim:${card}?card=sdsc&init=1ms&bridge=${bridge}`;
  expect((await cli(["-d", device, "record", "-o", cassette, "--", "info"])).exit).toBe(0);
  rmSync(card);
}

beforeAll(async () => {
  await record("ft232h", CASSETTE);
  await record("serprog", SERIAL);
  await record("mcp2210", HID);
});

function exportTo(format: string, cassette: string, file: string, ...flags: string[]) {
  return cli([...flags, "trace", "export", "--format", format, cassette, file]);
}

describe("trace export", () => {
  it.each([
    ["vcd", "$comment SPI mode 0"],
    ["sr", "PK\x03\x04"],
    ["pcapng", "\x0a\x0d\x0d\x0a"],
    ["pcap", "\xd4\xc3\xb2\xa1\x02\x00\x04\x00"],
    ["umockdev", "P: /devices/"],
  ])("writes %s, to a file and to stdout the same", async (format, begins) => {
    const file = folder.at(`run.${format}`);
    const run = await exportTo(format, CASSETTE, file);
    expect([run.exit, run.out, run.err]).toEqual([0, "", `wrote ${file}\n`]);
    const written = readFileSync(file);
    expect(written.toString("latin1").slice(0, begins.length)).toBe(begins);
    const piped = await exportTo(format, CASSETTE, "-");
    expect([piped.exit, piped.io.outBytes.equals(written)]).toEqual([0, true]);
    rmSync(file);
  });

  it("is VCD unless it is said otherwise, and says in JSON what it wrote", async () => {
    const file = folder.at("run.vcd");
    const run = await cli(["--json", "trace", "export", CASSETTE, file]);
    expect(JSON.parse(run.out)).toEqual({
      schema: "mmcpstore/trace-export/1",
      format: "vcd",
      file,
    });
    rmSync(file);
  });

  it("exports what a serial adapter did to the wires, but no USB transfers, and leaves no file", async () => {
    const session = await exportTo("sr", SERIAL, "-");
    expect(Object.keys(unzipSync(session.io.outBytes))).toEqual([
      "version",
      "metadata",
      "logic-1-1",
    ]);
    for (const format of ["pcapng", "pcap", "umockdev"]) {
      const before = readdirSync(folder.path);
      const run = await exportTo(format, SERIAL, folder.at("serial.out"), "--json");
      expect([format, run.exit, JSON.parse(run.err).code]).toEqual([format, 2, "USAGE"]);
      expect(JSON.parse(run.err).hint).toContain("--format vcd");
      expect(readdirSync(folder.path)).toEqual(before);
    }
  });

  it("exports reports of a HID adapter as interrupt transfers", async () => {
    const { io, exit } = await exportTo("pcap", HID, "-");
    expect(exit).toBe(0);
    const kinds = new Set<number>();
    for (let at = 24; at < io.outBytes.length; at += 16 + io.outBytes.readUInt32LE(at + 8))
      kinds.add(io.outBytes[at + 16 + 9] as number);
    expect([...kinds].sort()).toEqual([1, 2]);
  });

  it("refuses a format that it does not have, and a cassette that is none", async () => {
    const unknown = await exportTo("pdf", CASSETTE, "-");
    expect([unknown.exit, unknown.out]).toEqual([2, ""]);
    expect(unknown.err).toContain(FORMATS.join(", "));
    const none = await exportTo("pcapng", folder.write("no.cassette", "no\n"), folder.at("no.out"));
    expect([none.exit, none.err]).toEqual([7, expect.stringContaining("no cassette")]);
    expect(readdirSync(folder.path)).not.toContain("no.out");
  });
});
