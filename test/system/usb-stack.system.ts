import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { hasTool } from "./support/tools.js";
import type { GuestRun } from "./usb/agent.js";
import { KMSG_SIZE, makeCard, ServingProcess } from "./usb/bench.js";
import { UsbGuest } from "./usb/guest.js";

const judged = hasTool("qemu-system-x86_64", "qemu-system-x86") ? describe : describe.skip;
const dir = mkdtempSync(join(tmpdir(), "mmcpstore-usb-"));
const report: string[] = [];
let guest: UsbGuest;

judged("a real USB stack", () => {
  beforeAll(async () => {
    guest = await UsbGuest.boot();
  });

  afterAll(async () => {
    await guest?.close();
    rmSync(dir, { recursive: true, force: true });
    process.stdout.write(`${report.join("\n")}\n`);
  });

  test("FT232H", async () => {
    const server = await ServingProcess.start([`${makeCard(dir, "ft232h")}?serial=S1`]);
    const agent = await guest.agent();
    await agent.attach(server.port, "1-1", 0);
    await agent.until("/dev/ttyUSB0");
    expect(await agent.driver("1-1:1.0")).toBe("ftdi_sio");
    const log = (name: string, run: GuestRun): void => {
      report.push(`${name}: ${run.exit} ${run.ms} ms\n${run.out}${run.err}`);
    };
    log("list", await agent.cli(["list"]));
    log("info", await agent.cli(["info"]));
    const kmsg = ["--kmsg-size", KMSG_SIZE];
    log("write", await agent.cli(["-y", "pstore", "write", "-", ...kmsg], Buffer.from("Oops\n")));
    log("pstore list", await agent.cli(["pstore", "list", ...kmsg]));
    log("read", await agent.cli(["read", "0+8K", "/run/out.bin"]));
    expect(await agent.driver("1-1:1.0")).toBe("ftdi_sio");
    await agent.detach(0);
    await agent.quit();
    report.push(`serve: ${await server.stop()}`);
    report.push(guest.console);
  });
});
