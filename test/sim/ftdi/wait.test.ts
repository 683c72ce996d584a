import { describe, expect, it } from "@jest/globals";
import { toHex } from "../../../src/util/bytes.js";
import { Bench, BusyDevice } from "./support.js";

function busyBench(waitGranularity: "byte" | "clock", misoOnGpiol1 = true) {
  const spi = new BusyDevice();
  const bench = new Bench({ spi, waitGranularity, misoOnGpiol1 });
  return { bench, spi };
}

describe("9C with MISO on GPIOL1", () => {
  it("clocks whole bytes until the card is ready", async () => {
    const { bench, spi } = busyBench("byte");
    await bench.mpsse();
    spi.bitsLeft = 20;
    const reply = await bench.run("80 02 0b 9c ff ff 31 00 00 ff 87", 1);
    // 20 busy bits: bytes 00 00 0f, of which the third is not ready at its border.
    expect(toHex(reply)).toBe("ff");
    expect(spi.log.filter((line) => line === "ff")).toHaveLength(4);
    expect(bench.rules()).toEqual([]);
  });

  it("may stop inside a byte, on the other reading of the documents", async () => {
    const { bench, spi } = busyBench("clock");
    await bench.mpsse();
    spi.bitsLeft = 20;
    const reply = await bench.run("80 02 0b 9c ff ff 31 00 00 0f 31 00 00 ff 87", 2);
    // Stopped after 20 clocks: four bits of the third byte are still to come, so all behind is shifted.
    expect(spi.log.slice(-3)).toEqual(["ff", "f0", "ff"]);
    expect(toHex(reply)).toBe("ffff");
  });

  it("is over at once when the card is ready, and not without its wire", async () => {
    for (const wired of [true, false]) {
      const { bench, spi } = busyBench("byte", wired);
      await bench.mpsse();
      if (!wired) spi.bitsLeft = 800;
      const before = bench.model.engine.spiBytes;
      await bench.run("80 02 0b 9c ff ff 83 87", 1);
      expect(bench.model.engine.spiBytes - before).toBe(0);
    }
  });

  it("gives up after its number of bytes", async () => {
    const { bench, spi } = busyBench("byte");
    await bench.mpsse();
    spi.bitsLeft = 8000;
    const before = bench.model.engine.spiBytes;
    await bench.run("80 02 0b 9c 63 00 83 87", 1);
    expect(bench.model.engine.spiBytes - before).toBe(100);
    expect(spi.bitsLeft).toBe(8000 - 800);
  });

  it("takes as long as the card, to the byte", async () => {
    const { bench, spi } = busyBench("byte");
    await bench.mpsse();
    const startUs = bench.clock.nowUs();
    spi.readyAtUs = startUs + 3000;
    await bench.run("80 02 0b 9c ff ff 83 87", 1);
    const waited = bench.clock.nowUs() - startUs;
    expect(waited).toBeGreaterThanOrEqual(3062.5);
    expect(waited).toBeLessThan(3062.5 + 1);
    const answer = await bench.run("80 02 0b 9d 00 00 83 87", 1);
    expect(answer.length).toBe(1);
  });

  it("9D waits for the other level", async () => {
    const { bench, spi } = busyBench("byte");
    await bench.mpsse();
    const before = bench.model.engine.spiBytes;
    await bench.run("80 02 0b 9d 09 00 83 87", 1);
    expect(bench.model.engine.spiBytes - before).toBe(10);
    spi.bitsLeft = 80;
    await bench.run("9d 09 00 83 87", 1);
    expect(bench.model.engine.spiBytes - before).toBe(10);
  });
});

describe("the waits without bound", () => {
  it.each(["88", "94"])("%s ends when the card is ready", async (op) => {
    const { bench, spi } = busyBench("byte");
    await bench.mpsse();
    spi.readyAtUs = bench.clock.nowUs() + 2000;
    const startUs = bench.clock.nowUs();
    await bench.run(`80 02 0b ${op} 83 87`, 1);
    expect(bench.clock.nowUs() - startUs).toBeLessThan(2300);
    expect(bench.clock.nowUs() - startUs).toBeGreaterThan(2000);
  });

  it.each(["89", "95"])(
    "%s never ends if the level never comes; a change of mode ends it",
    async (op) => {
      const { bench } = busyBench("byte");
      await bench.mpsse();
      const posted = bench.post(512, 200);
      await bench.write(`${op} 83 87`);
      await expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
      expect(bench.model.engine.stuck).toBe(true);
      await bench.control(0x0b, 0);
      await bench.control(0x0b, 0x020b);
      expect(bench.model.engine.stuck).toBe(false);
      expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
    },
  );

  it("does not keep the clock running when nobody waits for it", async () => {
    const { bench } = busyBench("byte");
    await bench.mpsse();
    await bench.write("95");
    const startUs = bench.clock.nowUs();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(bench.clock.nowUs()).toBe(startUs);
  });
});
