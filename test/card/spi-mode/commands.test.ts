import { describe, expect, test } from "@jest/globals";
import { acmd, bench, cmd, failure } from "./bench.js";

describe("commands", () => {
  for (const ncr of [0, 1, 8, 15]) {
    test(`R1, R2, R3 and R7 with ${ncr} bytes before the response`, async () => {
      const b = bench({ ncr, r2: [0x20] });
      const deadline = b.in(1000);
      expect(await b.bus.command(cmd(16, 512), deadline)).toEqual({
        r1: 0,
        extra: new Uint8Array(0),
      });
      expect(await b.bus.command(cmd(13, 0, "R2"), deadline)).toEqual({
        r1: 0,
        extra: Uint8Array.of(0x20),
      });
      const ocr = await b.bus.command(cmd(58, 0, "R3"), deadline);
      expect(ocr.extra).toEqual(Uint8Array.of(0xc0, 0xff, 0x80, 0x00));
      const echo = await b.bus.command(cmd(8, 0x1aa, "R7"), deadline);
      expect(echo.extra).toEqual(Uint8Array.of(0, 0, 1, 0xaa));
      expect(b.card.log).toEqual(["CMD16 0x200", "CMD13", "CMD58", "CMD8 0x1aa"]);
      expect(b.card.violations).toEqual([]);
    });
  }

  test("one round trip each, also for the first", async () => {
    const b = bench();
    for (let count = 1; count <= 3; count++) {
      await b.bus.command(cmd(13, 0, "R2"), b.in(100));
      expect(b.bridge.stats.roundTrips).toBe(count);
    }
  });

  test("nothing follows R1 when the command was not executed", async () => {
    const b = bench({ r1: { 8: 0x05, 13: 0x08 } });
    expect(await b.bus.command(cmd(8, 0x1aa, "R7"), b.in(100))).toEqual({
      r1: 0x05,
      extra: new Uint8Array(0),
    });
    expect(await b.bus.command(cmd(13, 0, "R2"), b.in(100))).toEqual({
      r1: 0x08,
      extra: new Uint8Array(0),
    });
    expect(b.bus.stateKnown).toBe(true);
  });

  test("R1b waits for busy, whatever its length", async () => {
    const b = bench({ busy: 100_000 });
    await b.bus.command(cmd(38, 0, "R1b"), b.in(1000));
    await b.bus.command(cmd(13, 0, "R2"), b.in(1000));
    expect(b.card.violations).toEqual([]);
    expect(b.bridge.stats.roundTrips).toBeLessThan(40);
  });

  test("CARD_BUSY when busy lasts past the deadline", async () => {
    const b = bench({ busy: 10_000_000 });
    const error = await failure(b.bus.command(cmd(38, 0, "R1b"), b.in(50)));
    expect(error.code).toBe("CARD_BUSY");
    expect(b.bus.stateKnown).toBe(false);
  });

  test("CARD_NO_RESPONSE from an empty socket, and CMD0 makes the state known again", async () => {
    const b = bench({ r1: { 0: ["none", 0x01] } });
    expect((await failure(b.bus.command(cmd(0), b.in(100)))).code).toBe("CARD_NO_RESPONSE");
    expect(b.bus.stateKnown).toBe(false);
    expect((await b.bus.command(cmd(0), b.in(100))).r1).toBe(1);
    expect(b.bus.stateKnown).toBe(true);
  });

  test("ACMDs go behind CMD55; a refused CMD55 is the answer", async () => {
    const b = bench({ r1: { 55: [0x01, 0x05], A41: 0x01 } });
    expect((await b.bus.command(acmd(41, 0x40000000), b.in(100))).r1).toBe(0x01);
    expect((await b.bus.command(acmd(41, 0x40000000), b.in(100))).r1).toBe(0x05);
    expect(b.card.log).toEqual(["CMD55", "CMDA41 0x40000000", "CMD55"]);
  });

  test("probeCrc sends a wrong CRC7", async () => {
    const b = bench();
    expect((await b.bus.probeCrc(cmd(13, 0, "R2"), b.in(100))).r1).toBe(0x08);
    expect((await b.bus.command(cmd(13, 0, "R2"), b.in(100))).r1).toBe(0x00);
  });
});

describe("misuse", () => {
  test("buffers that do not fit, blocks that are not whole", async () => {
    const b = bench();
    const into = new Uint8Array(511);
    const reading = { command: cmd(17), blockLength: 512, blockCount: 1, into, openEnded: false };
    expect((await failure(b.bus.receive(reading, b.in(100)))).code).toBe("INTERNAL");
    const writing = { command: cmd(24), blockLength: 512, data: into, openEnded: false };
    expect((await failure(b.bus.send(writing, b.in(100)))).code).toBe("INTERNAL");
    const two = { ...writing, data: new Uint8Array(1024) };
    expect((await failure(b.bus.send(two, b.in(100)))).code).toBe("INTERNAL");
    expect(b.bridge.stats.spiBytes).toBe(0);
  });
});
