import { describe, expect, test } from "@jest/globals";
import { toHex } from "../../../src/util/bytes.js";
import { block, frame, packet, ready, SECTORS, sectorOf } from "./raw-host.js";

const FF = "ff";

describe("reading, byte by byte", () => {
  test("CMD17: R1, NAC, token, data, CRC16, then FF", () => {
    const { host, flash } = ready({ ncr: 1, nac: { bytes: 4 } });
    flash.write(9, block(3));
    host.clock(Uint8Array.of(0xff, ...frame(17, 9)));
    expect(host.hex(6 + 515 + 2)).toBe(`ff00ffffffff${toHex(packet(0xfe, block(3)))}ffff`);
  });

  test("CMD18: gap bytes between blocks, and a stuff byte behind CMD12 that is no R1", () => {
    const { host, flash } = ready({ ncr: 1, nac: { bytes: 0 }, gap: 2, stopBusy: { bytes: 3 } });
    for (const lba of [20, 21, 22]) flash.write(lba, block(lba));
    host.clock(Uint8Array.of(0xff, ...frame(18, 20)));
    const blocks = [20, 21].map((lba) => `${toHex(packet(0xfe, block(lba)))}ffff`).join("");
    expect(host.hex(2 + 2 * 517)).toBe(`ff00${blocks}`);
    const during = host.hex(frame(12));
    expect(during).toBe(toHex(packet(0xfe, block(22)).subarray(0, 6)));
    expect(host.hex(8)).toBe("2aff00000000ffff");
  });

  test("CMD12 works inside a block, in its CRC, and in the gap", () => {
    for (const after of [0, 1, 100, 512, 513, 514, 515, 516]) {
      const { host, model } = ready({ gap: 1 });
      expect(host.command(18, 5)).toBe("00");
      host.clock(8 + after);
      expect([after, host.command(12)]).toEqual([after, "00"]);
      host.ready();
      expect([after, model.inTransferState, host.status()]).toEqual([after, true, "0000"]);
      expect(model.violations).toEqual([]);
    }
  });

  test("CMD12 with nothing to stop is illegal", () => {
    expect(ready().host.command(12)).toBe("04");
  });

  test("CMD12 in a single block is ignored, or obeyed, as the option says", () => {
    for (const stopWhileSending of ["ignore", "stop"] as const) {
      const { host } = ready({ stopWhileSending });
      host.command(17, 1);
      host.clock(50);
      host.clock(frame(12));
      const rest = host.hex(600);
      expect(rest.startsWith("2aff00")).toBe(stopWhileSending === "stop");
    }
  });

  test("off the end: one error token, FF until CMD12, and the status says so once", () => {
    const { host } = ready({ nac: { bytes: 0 }, gap: 0 });
    host.command(18, SECTORS.sdhc - 1);
    host.data(512);
    expect(host.hex(4)).toBe("08ffffff");
    expect(host.command(12)).toBe("00");
    host.ready();
    expect([host.status(), host.status()]).toEqual(["0080", "0000"]);
  });

  test("SDSC reads parts of a block, but not across its border", () => {
    const { host, flash } = ready({ kind: "sdsc" });
    flash.write(3, block(3));
    host.command(16, 100);
    expect(host.command(17, 3 * 512 + 400)).toBe("00");
    expect(host.data(100)).toEqual(block(3).subarray(400, 500));
    expect(host.command(17, 3 * 512 + 413)).toBe("20");
    expect(host.command(24, 3 * 512)).toBe("40");
  });

  test("READ_BL_LEN 10: blocks of 1024 until CMD16", () => {
    const { host, flash } = ready({ kind: "sdsc", readBlockLength: 10 });
    flash.write(4, block(4));
    flash.write(5, block(5));
    host.command(17, 4 * 512);
    expect(host.data(1024)).toEqual(Uint8Array.of(...block(4), ...block(5)));
    expect(host.command(17, 5 * 512)).toBe("20");
    host.command(25, 6 * 512);
    expect(host.block(0xfc, block(6, 1024))).toBe(5);
    host.ready();
    host.stop();
    host.command(16, 512);
    expect(host.readBlock(7, 512)).toEqual(block(6, 1024).subarray(512));
  });
});

describe("writing, byte by byte", () => {
  test.each([
    [0, 0xe0, "e5"],
    [3, 0x00, "ffffff05"],
  ] as const)("CMD24: response after %d bytes, upper bits %d", (delay, upper, response) => {
    const { host, flash } = ready({
      dataResponseDelay: delay,
      dataResponseUpperBits: upper,
      busy: { bytes: 2 },
    });
    host.clock(Uint8Array.of(0xff, ...frame(24, 6)));
    expect(host.hex(3)).toBe("ff00ff");
    expect(host.hex(packet(0xfe, block(6)))).toBe(FF.repeat(515));
    expect(host.hex(delay + 5)).toBe(`${response}0000ffff`);
    expect(sectorOf(flash, 6)).toEqual(block(6));
  });

  test("CMD25: tokens, busy after each block, stop token, one byte before its busy", () => {
    const { host, flash, model } = ready({ busy: { bytes: 1 }, stopBusy: { bytes: 2 } });
    host.command(25, 40);
    for (const seed of [1, 2]) {
      host.clock(1);
      expect(host.hex(packet(0xfc, block(seed)))).toBe(FF.repeat(515));
      expect(host.hex(3)).toBe("e500ff");
    }
    expect(host.hex(Uint8Array.of(0xff, 0xfd))).toBe("ffff");
    expect(host.hex(5)).toBe("ff0000ffff");
    expect([40, 41, 42].map((lba) => sectorOf(flash, lba)[0])).toEqual([1, 2, 0]);
    expect([model.inTransferState, model.violations]).toEqual([true, []]);
  });

  test("the wrong start token is no token", () => {
    const { host, model } = ready();
    host.command(24, 6);
    host.clock(Uint8Array.of(0xff, 0xfc));
    expect(model.snapshot().state.receiving?.collecting).toBe(false);
    expect(host.block(0xfe, block(1))).toBe(5);
    expect(model.violations.map(({ rule }) => rule)).toEqual(["junk"]);
  });

  test("a token while R1 or a data response still goes out is not seen", () => {
    const { host, model } = ready({ ncr: 4 });
    host.clock(Uint8Array.of(0xff, ...frame(24, 6), 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff));
    expect(model.snapshot().state.receiving?.collecting).toBe(false);
    expect(model.violations.map(({ rule }) => rule)).toEqual(["mosi-while-answering"]);
  });
});

describe("CRC16 of written blocks", () => {
  const spoiled = packet(0xfe, block(1));
  spoiled[100] = (spoiled[100] as number) ^ 1;

  test("on: 0B, and nothing is written; the next try works", () => {
    const { host, flash, model } = ready();
    host.command(24, 6);
    host.clock(1);
    host.clock(spoiled);
    expect(host.hex(2)).toBe("ebff");
    expect(sectorOf(flash, 6)).toEqual(new Uint8Array(512));
    expect([model.inTransferState, host.status(), model.counters.crcErrors]).toEqual([
      true,
      "0000",
      1,
    ]);
    expect(host.writeBlock(6, block(1))).toBe(5);
  });

  test("off: what came is programmed", () => {
    const { host, flash, model } = ready({ crc: false });
    host.command(24, 6);
    host.clock(1);
    host.clock(spoiled);
    host.ready();
    expect(sectorOf(flash, 6)).toEqual(spoiled.slice(1, 513));
    expect(model.violations.map(({ rule }) => rule)).toEqual(["unchecked-crc"]);
  });

  test("inside CMD25: the blocks behind a refused one are refused too, until the stop", () => {
    const { host, flash, model } = ready();
    host.command(25, 60);
    expect(host.block(0xfc, block(1))).toBe(5);
    host.ready();
    host.clock(1);
    host.clock(spoiled.with(0, 0xfc));
    expect(host.hex(1)).toBe("eb");
    expect(host.block(0xfc, block(3))).toBe(0x0b);
    expect(model.violations.map(({ rule }) => rule)).toEqual(["block-after-error"]);
    host.stop();
    host.app(22);
    expect([...host.data(4)]).toEqual([0, 0, 0, 1]);
    expect([60, 61, 62].map((lba) => sectorOf(flash, lba)[0])).toEqual([1, 0, 0]);
  });
});

describe("writing where it is not allowed", () => {
  test("past the end: 0D and out of range; ACMD22 counts what was written", () => {
    const { host } = ready();
    host.command(25, SECTORS.sdhc - 2);
    const responses = [1, 2, 3].map((seed) => {
      const response = host.block(0xfc, block(seed));
      host.ready();
      return response;
    });
    expect(responses).toEqual([5, 5, 0x0d]);
    host.stop();
    expect(host.status()).toBe("0080");
    host.app(22);
    expect([...host.data(4)]).toEqual([0, 0, 0, 2]);
  });

  test.each(["permanent", "temporary"] as const)("%s protection: 0D, R2 bit 5", (writeProtect) => {
    const { host, model, flash } = ready({ writeProtect });
    host.command(24, 1);
    expect(host.block(0xfe, block(1))).toBe(0x0d);
    expect(host.status()).toBe("0020");
    expect([sectorOf(flash, 1)[5], model.inTransferState]).toEqual([0, true]);
  });
});

describe("CMD23 of an MMC", () => {
  test("ends a read and a write by itself, once", () => {
    const { host, model, flash } = ready({ kind: "mmc" });
    host.command(23, 2);
    host.command(25, 512);
    expect(host.block(0xfc, block(1))).toBe(5);
    host.ready();
    expect(host.block(0xfc, block(2))).toBe(5);
    host.ready();
    expect([model.inTransferState, sectorOf(flash, 2)[0]]).toEqual([true, 2]);
    host.command(23, 2);
    host.command(18, 512);
    expect([host.data(512)[0], host.data(512)[0]]).toEqual([1, 2]);
    expect(host.hex(600)).toBe(FF.repeat(600));
    expect(host.command(13, 0, 1)).toBe("0000");
    host.command(18, 512);
    for (let count = 0; count < 5; count++) host.data(512);
    expect(host.command(12)).toBe("00");
    expect(model.violations).toEqual([]);
  });
});

describe("latencies in time", () => {
  test("the data comes when its time has come, not after a number of bytes", () => {
    const { host } = ready({ nac: { us: 5000 } });
    host.command(17, 1);
    const began = host.nowUs;
    expect(host.clock(100).every((byte) => byte === 0xff)).toBe(true);
    host.wait(1000);
    host.until((byte) => byte === 0xfe);
    expect(host.nowUs - began).toBeGreaterThanOrEqual(4960);
    expect(host.nowUs - began).toBeLessThanOrEqual(5040);
  });

  test("programming goes on while CS is high; before its end DO is low again on select", () => {
    const { host, flash, model } = ready({ busy: { us: 10_000 } });
    host.command(24, 8);
    expect(host.block(0xfe, block(8))).toBe(5);
    expect(host.hex(2)).toBe("0000");
    model.setCs("high");
    expect(host.hex(3)).toBe("ffffff");
    host.wait(2000);
    model.setCs("low");
    expect(host.hex(2)).toBe("0000");
    expect(sectorOf(flash, 8)).toEqual(new Uint8Array(512));
    expect(model.peek(host.nowUs)).toBe(0);
    expect(model.peek(host.nowUs + 10_000)).toBe(0xff);
    host.wait(10_000);
    expect(host.hex(2)).toBe("ffff");
    expect(sectorOf(flash, 8)).toEqual(block(8));
    expect(model.violations).toEqual([]);
  });

  test("a command while busy is not heard", () => {
    const { host, model } = ready({ busy: { bytes: 40 } });
    host.command(24, 8);
    host.block(0xfe, block(8));
    expect(host.hex(frame(13))).toBe("00".repeat(6));
    expect(host.hex(40)).toBe("00".repeat(34) + FF.repeat(6));
    expect(new Set(model.violations.map(({ rule }) => rule))).toEqual(
      new Set(["command-while-busy"]),
    );
  });
});
