import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readCassette } from "../../src/device/replay.js";
import { sysfsPathOf } from "../../src/trace/usb/umockdev.js";
import { hasTool, toolEnv } from "./support/tools.js";
import { RecordedRuns } from "./traces/recorded-run.js";

const judged = hasTool("umockdev-run", "umockdev") ? describe : describe.skip;
const MAIN = "dist/cli/main.js";
/** Of the file and of a packet in it; usbmon's own is at the start of the packet. */
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const USBMON_HEADER = 64;
const runs = new RecordedRuns();

interface Replay {
  readonly pcap: string;
  readonly umockdev: string;
  readonly sysfs: string;
  /** What the recorded run printed. */
  readonly out: string;
}

async function replayable(bridge: string, verb: readonly string[]): Promise<Replay> {
  const { path, out } = await runs.record(bridge, verb);
  const { header } = await readCassette(path);
  const [pcap, umockdev] = [await runs.export(path, "pcap"), await runs.export(path, "umockdev")];
  return { pcap, umockdev, sysfs: `/sys${sysfsPathOf(header)}`, out };
}

/** The built command line with the real package `usb`, over a usbfs that replays a pcap. */
function replay({ umockdev, sysfs }: Replay, pcap: string, words: readonly string[]) {
  const args = ["--device", umockdev, "--pcap", `${sysfs}=${pcap}`, "--"];
  const { path: state } = runs.folder;
  const { status, stdout, stderr } = spawnSync(
    "umockdev-run",
    [...args, process.execPath, MAIN, "-q", ...words],
    {
      env: { ...toolEnv, XDG_RUNTIME_DIR: state, XDG_CONFIG_HOME: state },
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  return { exit: status, out: stdout, err: stderr };
}

interface Packet {
  /** Of the data in the file. */
  readonly at: number;
  readonly length: number;
  readonly event: string;
  /** usbmon's number of the kind of transfer. */
  readonly transfer: number;
}

function packetsOf(pcap: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let at = FILE_HEADER; at < pcap.length; ) {
    const usbmon = at + PACKET_HEADER;
    packets.push({
      at: usbmon + USBMON_HEADER,
      length: pcap.readUInt32LE(usbmon + 36),
      event: String.fromCharCode(pcap[usbmon + 8] as number),
      transfer: pcap[usbmon + 9] as number,
    });
    at = usbmon + pcap.readUInt32LE(at + 8);
  }
  return packets;
}

const isBulk = ({ transfer, length }: Packet): boolean => transfer === 3 && length > 0;

/** What is changed in the recording, and where that is. */
const CHANGES: readonly (readonly [string, (packets: readonly Packet[]) => number])[] = [
  ["a byte that the host sends first", (packets) => dataOf(packets, "S").at(0)?.at ?? 0],
  [
    "the argument of a card command",
    (packets) => {
      const last = dataOf(packets, "S").findLast(({ length }) => length > 20);
      return (last?.at ?? 0) + 12;
    },
  ],
  [
    "a byte of a block that the card sends",
    (packets) => {
      const [longest] = dataOf(packets, "C").toSorted((a, b) => b.length - a.length);
      return (longest?.at ?? 0) + 256;
    },
  ],
];

function dataOf(packets: readonly Packet[], event: string): Packet[] {
  return packets.filter((packet) => isBulk(packet) && packet.event === event);
}

judged("umockdev replays our pcap to the real package usb", () => {
  beforeAll(() => runs.makeCard());
  afterAll(() => runs.remove());

  test.each(["ft232h", "ft2232h"])(
    "%s: info says what it said when it was recorded",
    async (bridge) => {
      const recorded = await replayable(bridge, ["info", "--json"]);
      const { exit, out, err } = replay(recorded, recorded.pcap, ["-d", bridge, "info", "--json"]);
      expect([exit, err]).toEqual([0, ""]);
      const { device: _, ...told } = JSON.parse(out);
      expect(told).toMatchObject({ card: { kind: "SDHC" }, table: { kind: "gpt" } });
      const { device: __, ...before } = JSON.parse(recorded.out);
      expect(told).toEqual(before);
    },
  );

  test("ft232h: sectors are read, with transfers in flight both ways", async () => {
    const recorded = await replayable("ft232h", ["read", "0+256K", runs.folder.at("before.bin")]);
    const file = runs.folder.at("after.bin");
    const run = replay(recorded, recorded.pcap, ["-d", "ft232h", "read", "0+256K", file]);
    expect([run.exit, run.err]).toEqual([0, ""]);
    expect(readFileSync(file).equals(readFileSync(runs.folder.at("before.bin")))).toBe(true);
  });

  test("ft232h: a record is written, read back and verified", async () => {
    const log = runs.folder.write("log.txt", "<0>[    2.000000] Kernel panic: replayed\n");
    const verb = ["pstore", "write", "--no-compress", "--time", "2026-01-01T00:00:00Z", log];
    const recorded = await replayable("ft232h", verb);
    const run = replay(recorded, recorded.pcap, ["-d", "ft232h", ...verb]);
    expect([run.exit, run.err, run.out]).toEqual([0, "", recorded.out]);
    expect(run.out).toContain("read back and verified");
  });

  test.each(CHANGES)("ft232h: %s, changed, is refused within the deadline", async (_, placeIn) => {
    const recorded = await replayable("ft232h", ["info"]);
    const bytes = readFileSync(recorded.pcap);
    const place = placeIn(packetsOf(bytes));
    expect(place).toBeGreaterThan(FILE_HEADER + PACKET_HEADER + USBMON_HEADER);
    bytes[place] = (bytes[place] as number) ^ 0x10;
    const changed = runs.folder.at("changed.pcap");
    writeFileSync(changed, bytes);
    const { exit, out, err } = replay(recorded, changed, ["-d", "ft232h", "info", "--json"]);
    expect([out, err]).toEqual(["", expect.stringContaining("Replay may be stuck")]);
    const error = JSON.parse(err.trim().split("\n").at(-1) ?? "");
    expect(error).toMatchObject({ schema: "mmcpstore/error/1", exitCode: exit });
    expect([6, 10]).toContain(exit);
  });
});
