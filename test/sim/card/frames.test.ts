import { describe, expect, test } from "@jest/globals";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { frame, powered, ready } from "./raw-host.js";

/** Frames whose CRC is known from elsewhere (SD Physical Layer 4.5, and what every driver has in its source). */
const FRAMES: readonly (readonly [name: string, index: number, argument: number, hex: string])[] = [
  ["CMD0", 0, 0, "400000000095"],
  ["CMD1", 1, 0, "4100000000f9"],
  ["CMD1 HCS", 1, 0x40000000, "41400000006b"],
  ["CMD6 check", 6, 0x00fffff1, "4600fffff11f"],
  ["CMD6 set", 6, 0x80fffff1, "4680fffff129"],
  ["CMD8", 8, 0x1aa, "48000001aa87"],
  ["CMD9", 9, 0, "4900000000af"],
  ["CMD10", 10, 0, "4a000000001b"],
  ["CMD12", 12, 0, "4c0000000061"],
  ["CMD13", 13, 0, "4d000000000d"],
  ["CMD16", 16, 512, "500000020015"],
  ["CMD17", 17, 0, "510000000055"],
  ["ACMD22", 22, 0, "560000000043"],
  ["CMD23", 23, 1, "57000000013d"],
  ["CMD24", 24, 0, "58000000006f"],
  ["CMD25", 25, 0, "590000000003"],
  ["CMD38", 38, 0, "6600000000a5"],
  ["ACMD41", 41, 0, "6900000000e5"],
  ["ACMD41 HCS", 41, 0x40000000, "694000000077"],
  ["CMD42", 42, 0, "6a0000000051"],
  ["ACMD51", 51, 0, "7300000000c7"],
  ["CMD55", 55, 0, "770000000065"],
  ["CMD58", 58, 0, "7a00000000fd"],
  ["CMD59 off", 59, 0, "7b0000000091"],
  ["CMD59 on", 59, 1, "7b0000000183"],
];
const CRC_ERROR = 0x08;

describe.each(FRAMES)("%s", (_name, index, argument, hex) => {
  test("is made, and taken for right, with this CRC7", () => {
    expect(toHex(frame(index, argument))).toBe(hex);
    const { host } = ready();
    expect(Number.parseInt(host.send(fromHex(hex)), 16) & CRC_ERROR).toBe(0);
  });

  test("with any bit of the last byte turned is a CRC error and changes nothing", () => {
    for (let bit = 0; bit < 8; bit++) {
      const { host, model } = ready();
      const wrong = fromHex(hex);
      wrong[5] = (wrong[5] as number) ^ (1 << bit);
      const before = model.snapshot().state;
      expect([bit, host.send(wrong)]).toEqual([bit, "08"]);
      expect(model.snapshot().state).toEqual(before);
    }
  });
});

/** Frames cut after k bytes and filled up with FF by a recovering host: which of them pass CRC7 (all others are refused). */
const CLOSABLE = ["4d000000ffff", "4fffffffffff", "6e00ffffffff"];

test("of all commands without argument, cut and filled with FF, exactly three pass CRC7", () => {
  const passed = new Set<string>();
  for (let index = 0; index < 64; index++) {
    const whole = frame(index);
    for (let kept = 1; kept < 6; kept++) {
      const filled = Uint8Array.from(whole, (byte, at) => (at < kept ? byte : 0xff));
      const { host } = ready();
      const r1 = host.send(filled);
      if (r1 !== "08") passed.add(toHex(filled));
    }
  }
  expect([...passed].sort()).toEqual(CLOSABLE);
});

describe("CRC7 checking", () => {
  const Wrong = fromHex("4d0000000000");

  test("is off after CMD0 for all but CMD0 and CMD8", () => {
    const { host } = ready({ crc: false });
    expect(host.send(Wrong, 1)).toBe("0000");
    expect(host.send(fromHex("400000000001"))).toBe("08");
    const { host: idle } = powered();
    idle.clock(20);
    idle.select();
    expect(idle.command(0)).toBe("01");
    expect(idle.send(fromHex("48000001aa01"), 4)).toBe("09ffffffff");
  });

  test("is switched by CMD59 and switched off by CMD0", () => {
    const { host, model } = ready({ crc: false });
    expect([host.command(59, 1), host.send(Wrong)]).toEqual(["00", "08"]);
    expect([host.command(59, 0), host.send(Wrong, 1)]).toEqual(["00", "0000"]);
    host.command(59, 1);
    expect([model.crcOn, host.command(0), model.crcOn]).toEqual([true, "01", false]);
  });
});
