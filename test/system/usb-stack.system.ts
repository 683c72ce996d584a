import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { hasTool } from "./support/tools.js";
import type { GuestRun } from "./usb/agent.js";
import { BRIDGES, type BridgeRow } from "./usb/bridges.js";
import { UsbGuest } from "./usb/guest.js";
import { Plugged } from "./usb/plugged.js";

const judged = hasTool("qemu-system-x86_64", "qemu-system-x86") ? describe : describe.skip;
const OOPS = "BUG: it is dead\n";
/** What a kernel shows in the file: its own line, the line that the tool puts in front, the text. */
const SHOWN = `Panic: Total 1 times\nPanic#1 Part1\n${OOPS}`;
const PART_START = 8192 * 512;
const report: string[] = [];
let dir: string;
let guest: UsbGuest;

interface Examination {
  readonly steps: readonly { readonly name: string; readonly state: string; finding: string }[];
}

/** Of a run that must have gone well. */
function json({ exit, out, err }: GuestRun): unknown {
  expect({ exit, err: exit === 0 ? "" : err }).toEqual({ exit: 0, err: "" });
  return JSON.parse(out);
}

/** The adapter vanished, and that is what is said: not that something took too long. */
function expectGone({ exit, out, err }: GuestRun): void {
  const last = err.trim().split("\n").at(-1) ?? "";
  expect({ exit, out, error: JSON.parse(last) }).toMatchObject({
    exit: 4,
    out: "",
    error: { schema: "mmcpstore/error/1", code: "TRANSPORT_DISCONNECTED", exitCode: 4 },
  });
}

judged("a real USB stack", () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "mmcpstore-usb-"));
    guest = await UsbGuest.boot();
  });

  afterAll(async () => {
    await guest?.close();
    rmSync(dir, { recursive: true, force: true });
    process.stdout.write(`\nover vhci_hcd of Debian's kernel:\n${report.join("\n")}\n`);
  });

  describe.each(BRIDGES.map((row) => [row.name, row] as const))("%s", (_, row) => {
    bridgeTests(row);
  });
});

function bridgeTests(row: BridgeRow): void {
  const ran: string[] = [];
  let plugged: Plugged;
  let writeTransfers = 0;

  beforeAll(async () => {
    plugged = await Plugged.start(guest, dir, row);
  });

  afterAll(async () => {
    report.push(`  ${row.name} over ${row.npm}: ${ran.join(", ")}`);
    await plugged?.end();
  });

  test("list: with its selector, its node and its kernel driver", async () => {
    expect(await plugged.driver()).toBe(row.drivers.idle);
    const { node, ...listing } = row.listing;
    const { idle } = row.drivers;
    const kernelDriver = idle === null ? {} : { kernelDriver: idle };
    expect(json(await plugged.agent.cli(["list", "--json"]))).toEqual({
      schema: "mmcpstore/list/1",
      adapters: [
        {
          ...listing,
          portPath: "1-1",
          node: expect.stringMatching(node),
          access: "ok",
          ...kernelDriver,
        },
      ],
      problems: [],
    });
    ran.push("list");
  });

  test("info: the card and its table", async () => {
    expect(json(await plugged.run(["info", "--json"]))).toMatchObject({
      schema: "mmcpstore/info/1",
      adapter: { chip: row.chip },
      card: { kind: "SDHC", crc: "on", cid: { productName: "SIM2" } },
      capacity: { bytes: 16 * 1024 * 1024 },
      table: { kind: "gpt", entries: [{ label: "pstore", startLba: 8192, blockCount: 32 }] },
    });
    ran.push("info");
  });

  test("pstore write, pstore list: the record is on the card", async () => {
    const before = plugged.transfers;
    const written = await plugged.pstore(["write", "-"], OOPS);
    expect(written).toMatchObject({ exit: 0 });
    expect(written.out).toMatch(
      /^wrote dmesg-pstore_blk-0: Panic #1, .*; read back and verified\n$/,
    );
    writeTransfers = plugged.transfers - before;
    expect(json(await plugged.pstore(["list", "--json"]))).toMatchObject({
      schema: "mmcpstore/pstore-list/1",
      records: [
        {
          name: "dmesg-pstore_blk-0",
          reason: "Panic",
          counter: 1,
          state: "verified",
          textBytes: SHOWN.length,
          sha256: createHash("sha256").update(SHOWN).digest("hex"),
        },
      ],
    });
    expect(plugged.cardBytes(PART_START, PART_START + 512).toString("latin1")).toContain(OOPS);
    ran.push("pstore write", "pstore list");
  });

  test("read: the bytes of the card", async () => {
    const run = await plugged.run(["read", "4M+8K", "/run/read.bin", "--json"]);
    const bytes = plugged.cardBytes(PART_START, PART_START + 8192);
    expect(json(run)).toMatchObject({ bytes: bytes.length });
    expect((await plugged.agent.read("/run/read.bin")).equals(bytes)).toBe(true);
    ran.push("read");
  });

  test("doctor: every step is well", async () => {
    const examined = json(await plugged.run(["doctor", "--json"])) as Examination;
    expect(examined).toMatchObject({ schema: "mmcpstore/doctor/1", healthy: true, exitCode: 0 });
    expect(examined.steps.filter(({ state }) => state !== "ok")).toEqual([]);
    const found = Object.fromEntries(examined.steps.map(({ name, finding }) => [name, finding]));
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining(["package", "sync", "cmd0", "clock"]),
    );
    expect(found["kernel-driver"]).toContain(row.drivers.idle ?? "no kernel driver");
    ran.push("doctor");
  });

  test("the kernel's driver makes room while it is used, and is given the interface back", async () => {
    const reading = plugged.run(["read", row.longRead, "/run/long.bin"]);
    const { inUse, idle } = row.drivers;
    const [seen, beside] = await Promise.all([
      plugged.driversDuring(reading),
      row.beside === undefined ? new Set([idle]) : plugged.driversDuring(reading, row.beside),
    ]);
    expect(await reading).toMatchObject({ exit: 0 });
    expect(seen).toContain(inUse);
    expect([...beside]).toEqual([idle]);
    expect(await plugged.driver()).toBe(idle);
    ran.push(`${idle ?? "no driver"} → ${inUse} → back`);
  });

  test("no rule of chip or card was broken", () => {
    expect(plugged.bench.model.violations).toEqual([]);
    expect(plugged.bench.card.violations).toEqual([]);
    ran.push(`${plugged.transfers} transfers`);
  });

  test("unplugged while it reads: exit 4 at once, and it works when it is back", async () => {
    const reading = plugged.run(["read", row.longRead, "/run/long.bin", "--json"]);
    await plugged.transfersDuring(reading, row.midway);
    await plugged.detach();
    expectGone(await reading);
    await plugged.agent.until(row.settled, false);
    await plugged.newProcess();
    await plugged.attach();
    expect(json(await plugged.run(["info", "--json"]))).toMatchObject({ card: { kind: "SDHC" } });
    ran.push("unplugged while reading, back");
  });

  test("gone while it writes a record: exit 4 at once", async () => {
    plugged.bench.model.unplug(plugged.transfers + Math.floor(writeTransfers / 2));
    expectGone(await plugged.pstore(["write", "-", "--json"], OOPS));
    await plugged.agent.until(row.settled, false);
    ran.push("unplugged while writing");
  });
}
