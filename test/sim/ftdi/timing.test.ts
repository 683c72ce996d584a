import { describe, expect, it } from "@jest/globals";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { Bench, pattern, shift } from "./support.js";

const US_PER_BYTE_30MHZ = 8 / 30;

describe("time", () => {
  it("of one OUT and its IN is a round trip and the engine's time", async () => {
    const bench = new Bench();
    await bench.mpsse();
    for (const length of [1, 100, 65536]) {
      const startUs = bench.clock.nowUs();
      const read = `20 ${toHex(Uint8Array.of((length - 1) & 0xff, (length - 1) >> 8))} 87`;
      const posted = bench.post(131072);
      bench.out(read);
      const payload = bench.strip(await posted.done);
      expect(payload.length).toBe(length);
      expect(bench.clock.nowUs() - startUs).toBeCloseTo(125 + length * US_PER_BYTE_30MHZ, 3);
    }
  });

  it("of pipelined transfers overlaps the round trips", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const startUs = bench.clock.nowUs();
    const posted = Array.from({ length: 4 }, () => bench.post(4096));
    const sent = Array.from({ length: 4 }, () => bench.out("20 ff 03 87"));
    const seen: number[] = [];
    for (const transfer of posted) {
      seen.push(bench.strip(await transfer.done).length);
    }
    await Promise.all(sent.map((transfer) => transfer.done));
    expect(seen).toEqual([1024, 1024, 1024, 1024]);
    const took = bench.clock.nowUs() - startUs;
    expect(took).toBeCloseTo(125 + 4 * 1024 * US_PER_BYTE_30MHZ, 3);
  });

  it("of an OUT ends when the chip has taken its last packet", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const startUs = bench.clock.nowUs();
    await bench.write(shift(pattern(4096), 0x11));
    // 4099 bytes: the last packet, 3 bytes, fits once the engine has consumed 4099 - 1024.
    const consumed = 4099 - 1024 - 3;
    expect(bench.clock.nowUs() - startUs).toBeCloseTo(125 + consumed * US_PER_BYTE_30MHZ, 3);
    await bench.write("87");
    expect(bench.rules()).toEqual([]);
  });

  it("passes to the device as it passes for the clocks", async () => {
    const bench = new Bench();
    await bench.mpsse(1);
    await bench.run("80 02 0b 31 01 00 01 02 20 01 00 87", 4);
    const [first, second] = bench.spi.timings.slice(-2);
    expect(first?.usPerByte).toBeCloseTo(8 / 15, 9);
    expect((second?.startUs ?? 0) - (first?.startUs ?? 0)).toBeCloseTo(16 / 15, 6);
  });
});

describe("the FIFO to the host", () => {
  it.each([
    ["ft232h", 1024],
    ["ft4232h", 2048],
    ["ft2232h", 4096],
  ] as const)("of the %s takes %d bytes, then the engine stands still", async (chip, fifo) => {
    const bench = new Bench({ chip });
    await bench.mpsse();
    const before = bench.model.engine.spiBytes;
    await bench.write("20 ff ff");
    await bench.clock.sleep(100_000);
    expect(bench.model.engine.spiBytes - before).toBe(fifo);
    expect(bench.rules()).toEqual(["fifo-stall"]);
  });

  it("stops OUT when full: a synchronous exchange of 64 KiB never ends", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const sent = bench.out(concatBytes([fromHex("84"), shift(pattern(65536)), fromHex("87")]), 500);
    await expect(sent.done).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    expect(bench.rules()).toEqual(["fifo-stall"]);
    expect(bench.model.engine.midCommand).toBe(true);
  });

  it("is no trap for who posts the IN late but in time", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const data = pattern(3000);
    const sent = bench.out(concatBytes([fromHex("84"), shift(data), fromHex("87")]));
    await bench.clock.sleep(600);
    expect(toHex(bench.strip(await bench.post().done))).toBe(toHex(data));
    await sent.done;
    expect(bench.rules()).toEqual([]);
  });

  it("holds replies of 81 and bad opcodes back too", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.write(new Uint8Array(1500).fill(0x83));
    await bench.clock.sleep(5000);
    const first = bench.strip(await bench.post(1024).done);
    const second = bench.post(1024);
    await bench.write("87");
    expect(first.length + bench.strip(await second.done).length).toBe(1500);
  });
});

describe("recovery as section 1.7 has it", () => {
  it("brings back an engine that waits for the rest of a shift", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.write("31 ff ff 01 02 03");
    expect(bench.model.engine.midCommand).toBe(true);
    await bench.write("ab 87");
    await bench.control(0x00, 0);
    expect(bench.model.engine.midCommand).toBe(true);
    await bench.control(0x0b, 0);
    await bench.control(0x00, 1);
    await bench.control(0x00, 2);
    await bench.control(0x0b, 0x020b);
    expect(bench.model.engine.midCommand).toBe(false);
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
  });

  it("purge discards what the host has not read", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.write("aa aa aa");
    await bench.control(0x00, 2);
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
  });

  it("purge of the other FIFO discards what the engine has not taken", async () => {
    const bench = new Bench();
    await bench.mpsse();
    // The engine stands at 88 until reset: GPIOL1 is pulled up, so 89 never ends.
    await bench.write("89 80 02 0b");
    expect(bench.model.engine.stuck).toBe(true);
    await bench.control(0x00, 1);
    await bench.control(0x0b, 0);
    await bench.control(0x0b, 0x020b);
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
    expect(bench.model.engine.cs).toBe("high");
  });
});
