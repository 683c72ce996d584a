import { afterAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openDevice } from "../../src/device/open.js";
import { runPanicWorker } from "../../src/device/panic-worker.js";
import { createPanicMemory, PanicMailbox } from "../../src/pstore/panic-mailbox.js";
import { PanicTrigger } from "../../src/pstore/panic-trigger.js";
import { servePanics } from "../../src/pstore/panic-worker.js";
import { PstoreStore } from "../../src/pstore/store.js";
import { RealClock } from "../../src/util/clock.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { silentLog } from "../../src/util/log.js";
import { cli } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());
const clock = new RealClock();
const open = { log: silentLog, crc: true, version: "test", lockDir: folder.path };
const geometry = { kmsgSize: 4096, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
const card = folder.at("card.img");
beforeEach(() => void folder.write("card.img", new Uint8Array(1 << 20)));

describe.each([`image:${card}`, `sim:${card}`])("all of a panic worker, %s", (device) => {
  it("opens, arms, writes what is posted, and lets go of the device", async () => {
    const memory = createPanicMemory();
    const worker = runPanicWorker(memory, { device, part: "whole", geometry, open });
    await new PanicTrigger(memory).ready(deadlineIn(clock, 60_000));
    const text = Buffer.from("last words\n");
    new PanicMailbox(memory).post({ text, reason: 1, deadlineUs: clock.nowUs() + 60e6 });
    await worker;
    const show = ["pstore", "show", "--kmsg-size", "4K", "0"];
    const { out } = await cli(["-d", device, "-p", "whole", ...show]);
    expect(out).toBe("Panic: Total 1 times\nPanic#1 Part1\nlast words\n");
  });

  it.each([
    ["no partition", {}, "TABLE_NONE"],
    ["a partition that is not there", { part: "p9" }, "TABLE_NONE"],
    [
      "zones that do not fit",
      { part: "whole", geometry: { ...geometry, kmsgSize: 1 << 30 } },
      "PSTORE_GEOMETRY_TOO_LARGE",
    ],
  ])("%s: says so and lets go of the device", async (_, options, code) => {
    const memory = createPanicMemory();
    await runPanicWorker(memory, { device, open, ...options });
    const ready = new PanicTrigger(memory).ready(deadlineIn(clock, 60_000));
    await expect(ready).rejects.toMatchObject({ code });
    await (await openDevice(device, { ...open, readOnly: false })).close();
  });
});

describe("a worker that uses its card for something else meanwhile", () => {
  it("has it taken away for the record: the read ends as preempted", async () => {
    const device = await openDevice(`sim:${card}`, { ...open, readOnly: false });
    const store = new PstoreStore(device.block, geometry, device.clock);
    const memory = createPanicMemory();
    const mailbox = new PanicMailbox(memory);
    const served = servePanics(memory, async () => {
      return { store, clock: device.clock, close: () => device.close() };
    });
    await new PanicTrigger(memory).ready(deadlineIn(clock, 60_000));
    const reading = (async () => {
      for (;;) await device.block.read(0, new Uint8Array(1 << 20));
    })();
    const text = Buffer.from("last words\n");
    expect(mailbox.post({ text, reason: 1, deadlineUs: clock.nowUs() + 60e6 })).toBe(true);
    await expect(reading).rejects.toMatchObject({ code: "BLOCK_PREEMPTED" });
    await served;
    const reply = mailbox.takeReply();
    expect(reply).toMatchObject({ report: { verdict: { outcome: "committed" } } });
  });
});
