import { describe, expect, test } from "@jest/globals";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel } from "../../../src/sim/card/model.js";
import type { CardModelKind } from "../../../src/sim/card/options.js";
import { powered, type RawHost, ready, SECTORS } from "./raw-host.js";

/** SD Physical Layer table 7-3 and JESD84: what each family answers with anything but "illegal command". */
const SD = [0, 1, 6, 9, 10, 13, 16, 17, 18, 24, 25, 27, 32, 33, 38, 42, 55, 58, 59];
const GROUPS = [28, 29, 30];
const LEGAL: Readonly<Record<CardModelKind, readonly number[]>> = {
  sdsc: [...SD, ...GROUPS],
  sdhc: SD,
  sdxc: SD,
  mmc: [...SD.filter((index) => ![6, 32, 33, 55].includes(index)), ...GROUPS, ...[23, 35, 36]],
};
const APPLICATION = [13, 22, 23, 41, 42, 51];
/** While the card initialises itself. */
const IDLE: Readonly<Record<CardModelKind, readonly number[]>> = {
  sdsc: [0, 1, 13, 55, 58, 59],
  sdhc: [0, 1, 8, 13, 55, 58, 59],
  sdxc: [0, 1, 8, 13, 55, 58, 59],
  mmc: [0, 1, 13, 58, 59],
};
const LOCKED = [0, 1, 9, 10, 13, 16, 42, 55, 58, 59];
const KINDS = Object.keys(LEGAL) as CardModelKind[];
const ALL = Array.from({ length: 64 }, (_, index) => index);
const ILLEGAL = 0x04;

function answered(prepare: () => RawHost, application: boolean): number[] {
  return ALL.filter((index) => {
    const host = prepare();
    const r1 = application ? host.app(index) : host.command(index);
    expect([index, r1.length]).toEqual([index, 2]);
    return (Number.parseInt(r1, 16) & ILLEGAL) === 0;
  });
}

const sorted = (indices: readonly number[]): number[] => [...indices].sort((a, b) => a - b);

describe.each(KINDS)("%s", (kind) => {
  const bench = ready({ kind });
  const snapshot = bench.model.snapshot();
  const transfer = (): RawHost => {
    bench.model.restore(snapshot);
    return bench.host;
  };

  test("in transfer state", () => {
    expect(answered(transfer, false)).toEqual(sorted(LEGAL[kind]));
  });

  test("behind CMD55: the application commands too, the others as ever", () => {
    const legal = kind === "mmc" ? LEGAL.mmc : [...new Set([...LEGAL[kind], ...APPLICATION])];
    expect(answered(transfer, true)).toEqual(sorted(legal));
  });

  test("in idle state", () => {
    const idle = (): RawHost => {
      const { host } = powered({ kind });
      host.clock(20);
      host.select();
      host.command(0);
      return host;
    };
    expect(answered(idle, false)).toEqual(IDLE[kind]);
  });

  test("locked: classes 0 and 7 only", () => {
    const locked = (): RawHost => ready({ kind, locked: true }).host;
    const legal = LOCKED.filter((index) => LEGAL[kind].includes(index));
    expect(answered(locked, false)).toEqual(legal);
  });
});

test("CMD8 is SD only; MMC has no data transfer by CMD8 in SPI mode", () => {
  expect(ready({ kind: "mmc" }).host.command(8)).toBe("04");
});

describe("CMD55", () => {
  test("holds for one command, and an undefined ACMD is the plain command", () => {
    const { host } = ready();
    expect(host.app(13, 0, 1)).toBe("0000");
    host.data(64);
    expect(host.command(13, 0, 1)).toBe("0000");
    expect(host.hex(80)).toBe("ff".repeat(80));
    expect(host.app(9)).toBe("00");
    expect(host.data(16)).toHaveLength(16);
  });

  test("twice is as once; a command with a wrong CRC7 does not use it up", () => {
    const { host } = ready();
    host.command(55);
    host.command(55);
    expect(host.send(Uint8Array.of(0x73, 0, 0, 0, 0, 0))).toBe("08");
    expect(host.command(51)).toBe("00");
    expect(host.data(8)).toHaveLength(8);
  });
});

describe("registers as sent", () => {
  test.each(KINDS)("%s: CSD and CID are those of the model, with token and CRC16", (kind) => {
    const { host, model } = ready({ kind });
    expect(host.command(9)).toBe("00");
    expect(host.data(16)).toEqual(model.registers.csd);
    expect(host.command(10)).toBe("00");
    expect(host.data(16)).toEqual(model.registers.cid);
  });

  test("SCR and SSR fit the kind and the options", () => {
    const scr = (options: Parameters<typeof ready>[0]): string => {
      const { host } = ready(options);
      host.app(51);
      return Buffer.from(host.data(8)).toString("hex");
    };
    expect(scr({ kind: "sdsc" })).toBe("0125000000000000");
    expect(scr({ kind: "sdsc", specVersion: 2 })).toBe("0225000000000000");
    expect(scr({ kind: "sdhc" })).toBe("0235800000000000");
    expect(scr({ kind: "sdxc", erasedByte: 0xff })).toBe("02c5800000000000");
    const { host } = ready({ auSize: 7 });
    host.app(13, 0, 1);
    expect([...host.data(64).subarray(8, 14)]).toEqual([4, 4, 0x70, 0, 8, 5]);
  });

  test("an answer comes NAC bytes behind R1, to the byte", () => {
    const { host } = ready({ ncr: 0, registerNac: { bytes: 3 } });
    host.clock(Uint8Array.of(0xff, 0x7a, 0, 0, 0, 0, 0xfd));
    host.clock(5);
    host.clock(Uint8Array.of(0xff, 0x4a, 0, 0, 0, 0, 0x1b));
    expect(host.hex(5)).toBe("00fffffffe");
  });
});

describe("R1 and R2", () => {
  test("addresses: out of range is a parameter error, misaligned an address error", () => {
    const { host } = ready();
    expect(host.command(17, SECTORS.sdhc)).toBe("40");
    expect(host.command(18, 0xffffffff)).toBe("40");
    expect(host.command(24, SECTORS.sdhc)).toBe("40");
    expect(host.command(25, SECTORS.sdhc)).toBe("40");
    expect(host.command(32, SECTORS.sdhc)).toBe("40");
    const { host: sdsc } = ready({ kind: "sdsc" });
    expect(sdsc.command(17, 1)).toBe("20");
    expect(sdsc.command(24, 256)).toBe("20");
    expect(sdsc.command(17, SECTORS.sdsc * 512)).toBe("40");
    expect(sdsc.hex(600)).toBe("ff".repeat(600));
  });

  test("the status is cleared by reading it", () => {
    const { host, model } = ready({ writeProtect: "temporary" });
    host.command(24, 1);
    expect(host.block(0xfe, new Uint8Array(512))).toBe(0x0d);
    expect(host.status()).toBe("0020");
    expect(host.status()).toBe("0000");
    expect(model.violations).toEqual([]);
  });

  test("of a locked card has bit 0, for ever", () => {
    const { host } = ready({ locked: true });
    expect([host.status(), host.status()]).toEqual(["0001", "0001"]);
  });
});

describe("CMD6", () => {
  test("checks and sets high speed; what is not there is answered with F", () => {
    const { host, model } = ready();
    const group1 = (argument: number): number => {
      expect(host.command(6, argument)).toBe("00");
      return host.data(64)[16] as number;
    };
    expect(group1(0x00fffff1)).toBe(1);
    expect(group1(0x00ffffff)).toBe(0);
    expect(group1(0x80fffff1)).toBe(1);
    expect(group1(0x00ffffff)).toBe(1);
    expect(group1(0x80fffff5)).toBe(0xf);
    model.exchange(undefined, undefined, 10, { startUs: host.nowUs, usPerByte: 8 / 50 });
    expect(model.violations).toEqual([]);
    host.command(0);
    host.initialise();
    expect(group1(0x00ffffff)).toBe(0);
  });
});

test("CMD16: what each kind takes", () => {
  const takes = (host: RawHost): string[] =>
    [0, 1, 512, 513, 1024, 1025].map((length) => host.command(16, length));
  expect(takes(ready().host)).toEqual(["40", "00", "00", "40", "40", "40"]);
  expect(takes(ready({ kind: "sdsc", readBlockLength: 10 }).host)).toEqual([
    "40",
    "00",
    "00",
    "00",
    "00",
    "40",
  ]);
});

test("a model over a store of no fitting size is refused", () => {
  expect(() => createCardModel(new MemoryFlash(1000))).toThrow(/cannot be of kind sdhc/);
});
