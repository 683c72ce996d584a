import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { hasTool, runTool } from "./support/tools.js";
import type { Agent, GuestRun } from "./usb/agent.js";
import { KMSG_SIZE, makeCard, ServingProcess } from "./usb/bench.js";
import { UsbGuest } from "./usb/guest.js";

const judged = hasTool("qemu-system-x86_64", "qemu-system-x86") ? describe : describe.skip;
const RECORD = "dmesg-pstore_blk-0";
const KMSG = ["--kmsg-size", KMSG_SIZE];

/** In the order of their bus ids, and of the ports that they are plugged into. */
const DEVICES = [
  { bridge: "ft232h", selector: "usb:1-1", chip: "FT232H", node: "/dev/ttyUSB0" },
  { bridge: "ft232h", selector: "usb:1-2", chip: "FT232H", node: "/dev/ttyUSB1" },
  { bridge: "ft2232h&serial=F2", selector: "ft2232h:F2", chip: "FT2232H", node: "/dev/ttyUSB3" },
  { bridge: "ch341a", selector: "usb:1-4", chip: "CH341A" },
  { bridge: "ch347t&serial=C7", selector: "ch347:C7", chip: "CH347T in mode 1" },
  { bridge: "mcp2210&serial=M1", selector: "mcp2210:M1", chip: "MCP2210", node: "/dev/hidraw0" },
  { bridge: "serprog&serial=P1", selector: "serprog:P1", chip: "serprog", node: "/dev/ttyACM1" },
] as const;
const [FIRST, SECOND] = DEVICES;

let dir: string;
let guest: UsbGuest;
let server: ServingProcess;
let agent: Agent;

function imageOf(at: number): string {
  return join(dir, `card-${at}.img`);
}

function codeOf({ err }: GuestRun): unknown {
  return (JSON.parse(err.trim().split("\n").at(-1) ?? "") as { code: unknown }).code;
}

judged("what `sim serve --usbip` exports, all of it plugged into one machine", () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "mmcpstore-product-"));
    guest = await UsbGuest.boot();
    for (const at of DEVICES.keys()) makeCard(dir, `card-${at}`);
    server = await ServingProcess.start(
      DEVICES.map(({ bridge }, at) => `${imageOf(at)}?bridge=${bridge}`),
    );
    agent = await guest.agent();
    for (const [at, device] of DEVICES.entries()) {
      await agent.attach(server.port, `1-${at + 1}`, at);
      const settled = "node" in device ? device.node : `/sys/bus/usb/devices/1-${at + 1}:1.0`;
      await agent.until(settled);
    }
  });

  afterAll(async () => {
    await guest?.close();
    await server?.stop();
    process.stdout.write(
      `\nat once over vhci_hcd: ${DEVICES.map(({ chip }) => chip).join(", ")}\n`,
    );
    rmSync(dir, { recursive: true, force: true });
  });

  test("list: all of them, each with a selector that is its own", async () => {
    const run = await agent.cli(["list", "--json"]);
    expect(run).toMatchObject({ exit: 0 });
    const { adapters, problems } = JSON.parse(run.out) as Inventory;
    expect(problems).toEqual([]);
    expect(
      adapters.map(({ selector, chip, portPath, access }) => ({
        selector,
        chip,
        portPath,
        access,
      })),
    ).toEqual(
      DEVICES.map(({ selector, chip }, at) => ({
        selector,
        chip,
        portPath: `1-${at + 1}`,
        access: "ok",
      })),
    );
  });

  test("without a selector, or with one for two: exit 3, and what to choose from", async () => {
    const any = await agent.cli(["info", "--json"]);
    expect({ exit: any.exit, code: codeOf(any) }).toEqual({ exit: 3, code: "TRANSPORT_AMBIGUOUS" });
    for (const { selector } of DEVICES) expect(any.err).toContain(`-d ${selector}`);
    const two = await agent.cli(["-d", "ft232h", "info"]);
    expect(two).toMatchObject({ exit: 3 });
    expect(two.err).toContain("choose one: -d usb:1-1, -d usb:1-2");
  });

  test("two equal FT232H, told apart by their ports: each record on its own card", async () => {
    for (const { selector } of [FIRST, SECOND]) {
      const words = ["-d", selector, "-y", "pstore", "write", "-", ...KMSG];
      const text = Buffer.from(`by way of ${selector}\n`);
      expect(await agent.cli(words, text)).toMatchObject({ exit: 0 });
    }
    for (const { selector } of [FIRST, SECOND]) {
      const shown = await agent.cli(["-d", selector, "pstore", "show", RECORD, ...KMSG]);
      expect(shown).toMatchObject({ exit: 0 });
      expect(shown.out.match(/by way of .*/g)).toEqual([`by way of ${selector}`]);
    }
  });

  // Not all of them: on an emulated machine with other work they starve each other.
  test("one process uses two at once, over usb and serialport", async () => {
    const several = DEVICES.filter(({ selector }) => /^usb:1-1|^serprog/.test(selector));
    const runs = await Promise.all(
      several.map(({ selector }) =>
        agent.cli(["-d", selector, "--i-checked-3v3", "--timeout", "120s", "info", "--json"]),
      ),
    );
    expect(runs.map(({ exit, err }) => (exit === 0 ? "" : err))).toEqual(several.map(() => ""));
    const ids = runs.map(({ out }) => (JSON.parse(out) as Info).table.diskId);
    expect(new Set(ids).size).toBe(several.length);
  });

  test("an adapter that another process uses: exit 4; the one beside it is free", async () => {
    const { run } = await agent.heldCli(["-d", FIRST.selector, "read", "0+64K", "-"]);
    const main = join(process.cwd(), "dist/cli/main.js");
    const other = (selector: string): Promise<GuestRun> =>
      agent.exec(process.execPath, [main, "-d", selector, "info", "--json"]);
    const locked = await other(FIRST.selector);
    const free = await other(SECOND.selector);
    await agent.release();
    expect({ exit: locked.exit, code: codeOf(locked) }).toEqual({ exit: 4, code: "LOCKED" });
    expect([free.exit, free.exit === 0 ? "" : free.err]).toEqual([0, ""]);
    expect(await run).toMatchObject({ exit: 0 });
  });

  test("Ctrl-C ends it, and the cards hold what was written", async () => {
    await agent.quit();
    expect(await server.stop()).toBe(0);
    for (const [at, { selector }] of [FIRST, SECOND].entries()) {
      const words = ["-d", `image:${imageOf(at)}`, "pstore", "show", RECORD, ...KMSG];
      const shown = runTool(process.execPath, ["dist/cli/main.js", ...words]);
      expect(shown).toContain(`by way of ${selector}\n`);
    }
  });
});

interface Inventory {
  readonly adapters: readonly Readonly<
    Record<"selector" | "chip" | "portPath" | "access", string>
  >[];
  readonly problems: readonly unknown[];
}

interface Info {
  readonly table: { readonly diskId: string };
}
