import { afterAll, describe, expect, it } from "@jest/globals";
import { openDevice } from "../../src/device/open.js";
import { ANY_ADAPTER, parseDeviceSpec } from "../../src/device/spec.js";
import type { OpenOptions } from "../../src/device/types.js";
import { silentLog } from "../../src/util/log.js";
import { cli } from "../support/fake-io.js";
import { hashOf, TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const OPTIONS: OpenOptions = {
  log: silentLog,
  readOnly: true,
  crc: true,
  version: "0",
  lockDir: folder.path,
};

describe("device strings", () => {
  const adapter = ANY_ADAPTER;

  it.each([
    ["image:a:b.img", { kind: "image", path: "a:b.img" }],
    ["replay:run.cassette", { kind: "replay", path: "run.cassette" }],
    ["sim:card.img", { kind: "sim", path: "card.img", options: {} }],
    [
      "sim:c.img?card=sdhc&ncr=8,init",
      { kind: "sim", path: "c.img", options: { card: "sdhc", ncr: "8", init: "on" } },
    ],
    ["sim:unix:/run/x.sock", { kind: "sim-socket", path: "/run/x.sock" }],
    ["ft232h", { ...adapter, chip: "ft232h" }],
    ["FT232H:ft7", { ...adapter, chip: "ft232h", serialNumber: "ft7" }],
    ["ft2232h:FT7/b", { ...adapter, chip: "ft2232h", serialNumber: "FT7", channel: "B" }],
    ["ft2232h/A", { ...adapter, chip: "ft2232h", channel: "A" }],
    ["usb:1-3.4", { ...adapter, portPath: "1-3.4" }],
    ["usb:1-3.4/A?wait=on", { ...adapter, portPath: "1-3.4", channel: "A", hardwareWait: true }],
    ["ft232h?wait=off", { ...adapter, chip: "ft232h" }],
    ["tigard", { ...adapter, chip: "ft2232h", channel: "B" }],
    ["Tigard:TG1/A", { ...adapter, chip: "ft2232h", serialNumber: "TG1", channel: "A" }],
    ["ch341a?ident=fast", { ...adapter, chip: "ch341a", fastIdentification: true }],
    ["mcp2210:0001", { ...adapter, chip: "mcp2210", serialNumber: "0001" }],
    ["serprog:/dev/ttyACM0", { ...adapter, chip: "serprog", path: "/dev/ttyACM0" }],
    [
      "serprog:/dev/ttyUSB0@2000000",
      { ...adapter, chip: "serprog", path: "/dev/ttyUSB0", baudRate: 2_000_000 },
    ],
  ])("%s", (text, spec) => {
    expect(parseDeviceSpec(text)).toEqual(spec);
  });

  it.each([
    "",
    "image:",
    "sim:",
    "replay:",
    "sim:unix:",
    "usb:hub",
    "floppy",
    "floppy:a",
    "sim:a?x=1&x=2",
    "ch341a/B",
    "serprog:@9600",
    "ft232h?wait=maybe",
    "ft232h?speed=1",
  ])("'%s' is none", (text) => {
    expect(() => parseDeviceSpec(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

describe("images", () => {
  it("are locked while they are open for writing, and not after", async () => {
    const path = folder.write("lock.img", new Uint8Array(65536));
    const first = await openDevice(`image:${path}`, { ...OPTIONS, readOnly: false });
    await expect(
      openDevice(`image:${path}`, { ...OPTIONS, readOnly: false }),
    ).rejects.toMatchObject({ code: "LOCKED" });
    await (await openDevice(`image:${path}`, OPTIONS)).close();
    await first.close();
    await first.close();
    expect([first.notes, first.random(4).length]).toEqual([[], 4]);
    await (await openDevice(`image:${path}`, { ...OPTIONS, readOnly: false })).close();
  });
});

describe("cards that cannot be used: the exit code, and nothing written", () => {
  const path = folder.write("card.img", new Uint8Array(16 << 20));
  const before = hashOf(path);
  const block = folder.write("block.bin", new Uint8Array(512).fill(1));

  it.each([
    ["absent", "quirk=absent", 5],
    ["locked", "locked=on", 5],
    ["write-protected", "protect=permanent", 8],
    ["write-protected for now", "protect=temporary", 8],
    ["CRC errors always", "quirk=crc-errors", 6],
    ["MISO stuck low", "quirk=stuck-low", 5],
  ])("%s", async (_, option, exit) => {
    const run = await cli(["-d", `sim:${path}?${option}`, "-y", "write", block, "0+512"]);
    expect([option, run.exit, run.err]).toEqual([
      option,
      exit,
      expect.stringMatching(/^mmcpstore: [^\n]+\n( {2}hint: [^\n]+\n)?$/m),
    ]);
    expect(hashOf(path)).toBe(before);
  });
});
