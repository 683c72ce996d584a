import { afterAll, describe, expect, it } from "@jest/globals";
import { runCli } from "../../src/cli/program.js";
import { cli, FakeIo } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const card = folder.write("card.img", new Uint8Array(16 << 20));

describe("sim serve", () => {
  it("serves a card to other runs until a signal", async () => {
    const socket = folder.at("bench.sock");
    const io = new FakeIo();
    const serving = runCli(["-d", `sim:${card}`, "sim", "serve", "--socket", socket], io);
    while (!io.err.includes("serving")) await new Promise((resolve) => setImmediate(resolve));
    const { exit, out } = await cli(["-d", `sim:unix:${socket}`, "info", "--json"]);
    expect([exit, JSON.parse(out).adapter.chip]).toEqual([0, "FT232H"]);
    io.signal("SIGTERM");
    expect(await serving).toBe(143);
    expect((await cli(["-d", `sim:unix:${socket}`, "info"])).exit).not.toBe(0);
  });

  it("needs a socket and a simulated card", async () => {
    expect((await cli(["-d", `sim:${card}`, "sim", "serve"])).exit).toBe(2);
    const image = ["-d", `image:${card}`, "sim", "serve", "--socket", folder.at("x.sock")];
    expect((await cli(image)).exit).toBe(2);
  });
});

describe("options of simulators", () => {
  it.each([
    "bridge=ft2232h&card=sdsc&ncr=3&nac=10us&gap=2&busy=100us&stopbusy=50us&erasebusy=1ms&delay=1&init=5ms",
    "card=mmc&cs=freeze&receive=stop&packet=64&rtt=1ms&erased=ff&locked=off",
    "wait=byte&quirk=cmd0-answers-00+single-block-only",
    "quirk=cmd59-refused",
  ])("%s", async (options) => {
    const { exit, err, out } = await cli(["-d", `sim:${card}?${options}`, "info", "--json"]);
    expect([options, exit, err === "" || err.includes("warning")]).toEqual([options, 0, true]);
    expect(JSON.parse(out).capacity.bytes).toBeGreaterThan(0);
  });

  it.each(["card=floppy", "ncr=9", "rtt=soon", "cut=5:sideways", "delay=x", "quirk=charming"])(
    "refuses %s",
    async (options) => {
      expect((await cli(["-d", `sim:${card}?${options}`, "info"])).exit).toBe(2);
    },
  );

  it("makes an image and works on it", async () => {
    const made = folder.at("made.img");
    const write = ["-d", `sim:${made}?create=16MiB`, "-y", "--json"];
    expect((await cli([...write, "part", "create"])).exit).toBe(0);
    const formatted = await cli([...write, "pstore", "format"]);
    expect(JSON.parse(formatted.out)).toMatchObject({ zones: 16, dryRun: false });
    expect(JSON.parse((await cli([...write, "erase", "0+8K"])).out)).toMatchObject({ blocks: 16 });
    const file = folder.at("all.bin");
    expect(JSON.parse((await cli([...write, "read", "0+8K", file])).out)).toMatchObject({
      bytes: 8192,
    });
  });
});
