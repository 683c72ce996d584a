import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { Bench, pattern, shift } from "./support.js";

describe("IN transfers", () => {
  it("end with the status bytes alone when the latency timer runs out", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.run("aa 87", 2);
    await bench.control(0x09, 5);
    const startUs = bench.clock.nowUs();
    const first = await bench.post().done;
    expect(toHex(first)).toBe("3260");
    expect(bench.clock.nowUs() - startUs).toBeLessThanOrEqual(5125);
    const againUs = bench.clock.nowUs();
    await bench.post().done;
    expect(bench.clock.nowUs() - againUs).toBeCloseTo(5000, 3);
  });

  it("bring what there is when the latency timer runs out", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.run("aa 87", 2);
    await bench.control(0x09, 2);
    const posted = bench.post();
    await bench.write("83 83");
    expect(toHex(await posted.done)).toBe("3260ffff");
  });

  it("are answered at once if the timer ran out before", async () => {
    const bench = new Bench();
    await bench.control(0x09, 16);
    await bench.clock.sleep(50_000);
    const startUs = bench.clock.nowUs();
    expect(toHex(await bench.post().done)).toBe("3260");
    expect(bench.clock.nowUs() - startUs).toBeCloseTo(125, 3);
  });

  it("come in pieces while a slow clock fills them", async () => {
    const bench = new Bench();
    await bench.mpsse(74);
    await bench.run("aa 87", 2);
    await bench.control(0x09, 2);
    const payload = await bench.run("20 ff 00 87", 256);
    expect(payload.length).toBe(256);
    // 256 bytes take 5.1 ms: two timer answers and the flush.
    expect(bench.model.counters.inTransfersWithPayload).toBe(1 + 3);
  });

  it("end when full, and the rest goes to the next", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const posted = [bench.post(512), bench.post(1024), bench.post(512)];
    await bench.write("20 ff 07 87");
    const lengths: number[] = [];
    for (const transfer of posted) lengths.push((await transfer.done).length);
    expect(lengths).toEqual([512, 1024, 512]);
    expect(bench.strip(await bench.post(512).done).length).toBe(2048 - 4 * 510);
  });

  it("of a flush at a packet border: one of status bytes, or none, as the option says", async () => {
    for (const flushWhenEmpty of ["status", "nothing"] as const) {
      const bench = new Bench({ flushWhenEmpty });
      await bench.mpsse();
      await bench.run("aa 87", 2);
      const posted = bench.post(1024);
      const startUs = bench.clock.nowUs();
      await bench.write("20 fd 01 87");
      expect((await posted.done).length).toBe(514);
      const waited = bench.clock.nowUs() - startUs;
      if (flushWhenEmpty === "status") expect(waited).toBeLessThan(300);
      else expect(waited).toBeGreaterThan(255_000 - 1000);
    }
  });
});

describe("cancelling", () => {
  it("an IN leaves the endpoint clean, and loses nothing still in the chip", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const posted = bench.post();
    await bench.clock.sleep(200);
    posted.cancel();
    posted.cancel();
    await expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
  });

  it("an OUT keeps what the chip has taken", async () => {
    const bench = new Bench();
    await bench.mpsse();
    // 89 never ends: the FIFO takes two packets; one byte of room is left.
    const sent = bench.out(concatBytes([fromHex("89"), new Uint8Array(2000).fill(0x87)]));
    await bench.clock.sleep(5000);
    sent.cancel();
    await expect(sent.done).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    const next = bench.out("ab ab", 20);
    await expect(next.done).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    await bench.control(0x0b, 0);
    await bench.control(0x0b, 0x020b);
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
  });

  it("before it has reached the chip takes it back whole", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const sent = bench.out("80 02 0b");
    sent.cancel();
    await expect(sent.done).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    await bench.clock.sleep(1000);
    expect(bench.model.engine.cs).toBe("high");
  });

  it("after completion does nothing", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const sent = bench.out("87");
    await sent.done;
    sent.cancel();
    await expect(sent.done).resolves.toBeUndefined();
  });

  it("by its deadline rejects TRANSPORT_TIMEOUT, at the deadline and a half round trip", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const startUs = bench.clock.nowUs();
    const posted = bench.post(512, 40);
    await expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    expect(bench.clock.nowUs() - startUs).toBeCloseTo(40_062.5, 3);
  });

  it("by close ends everything, frees the interface, and leaves engine and pins", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.write("80 02 0b 31 ff ff 00");
    const posted = bench.post();
    const failed = expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    expect(() => bench.model.transport(0)).toThrow(/in use/);
    await bench.usb.close();
    await bench.usb.close();
    await failed;
    await expect(bench.post().done).rejects.toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    expect([bench.model.engine.midCommand, bench.model.engine.cs]).toEqual([true, "low"]);
    await bench.model.transport(0).close();
  });
});

describe("unplugging", () => {
  it("rejects all in flight and all that follows", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const gone = { code: "TRANSPORT_DISCONNECTED" };
    const pending = [bench.post().done, bench.out("20 ff ff").done, bench.control(0x00, 0)];
    const failed = pending.map((each) => expect(each).rejects.toMatchObject(gone));
    bench.model.unplug();
    await Promise.all(failed);
    await expect(bench.out("87").done).rejects.toMatchObject(gone);
    await expect(bench.control(0x00, 0)).rejects.toMatchObject(gone);
    expect(() => bench.model.transport(0)).toThrow(/gone/);
    await bench.usb.close();
    bench.model.replug();
    expect(bench.model.transport(0)).not.toBe(bench.usb);
  });

  it("strikes at the transfer of the given index", async () => {
    const bench = new Bench();
    bench.model.unplug(2);
    await bench.control(0x00, 0);
    await bench.control(0x00, 1);
    await expect(bench.control(0x00, 2)).rejects.toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    expect(bench.model.submitted).toBe(3);
  });
});

describe("any split of a stream into transfers, any IN lengths, any latency", () => {
  it("brings the same bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom(64 as const, 512 as const),
        fc.constantFrom(0, 74),
        async (lengths, cuts, packets, latencyMs, packetSize, divisor) => {
          const bench = new Bench({ packetSize });
          await bench.mpsse(divisor);
          await bench.control(0x09, latencyMs);
          const data = lengths.map(pattern);
          const stream = concatBytes([
            fromHex("84"),
            ...data.map((part) => shift(part)),
            fromHex("87"),
          ]);
          const sends: Promise<void>[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const end = at + (cuts[turn % cuts.length] as number);
            sends.push(bench.out(stream.subarray(at, end), 60_000).done);
            at = end;
          }
          const wanted = concatBytes(data);
          const got: Uint8Array[] = [];
          for (let have = 0; have < wanted.length; have += got.at(-1)?.length ?? 0) {
            got.push(bench.strip(await bench.post(packets * packetSize, 60_000).done));
          }
          await Promise.all(sends);
          expect(toHex(concatBytes(got))).toBe(toHex(wanted));
          expect(bench.model.engine.midCommand).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });
});
