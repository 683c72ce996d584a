import { describe, expect, test } from "@jest/globals";
import {
  buildCommand,
  COMMANDS,
  type CommandName,
  commandNameOf,
  commandSpecOf,
} from "../../src/card/commands.js";
import { describeR1, r1Names } from "../../src/card/r1.js";
import { describeStatus, errorTokenNames, isErrorToken, r2Names } from "../../src/card/status.js";

const names = Object.keys(COMMANDS) as CommandName[];

describe("the command table", () => {
  test.each(names)("%s: the name says index and kind", (name) => {
    const { index, app } = COMMANDS[name];
    expect(name.startsWith(`${app ? "ACMD" : "CMD"}${index}_`)).toBe(true);
    expect(commandNameOf({ index, app })).toBe(name);
  });

  test("has every command of SPI mode, and none that it lacks", () => {
    const indexes = (app: boolean): number[] =>
      names.filter((name) => COMMANDS[name].app === app).map((name) => COMMANDS[name].index);
    expect(indexes(false)).toEqual([
      0, 1, 6, 8, 9, 10, 12, 13, 16, 17, 18, 23, 24, 25, 27, 28, 29, 30, 32, 33, 35, 36, 38, 42, 55,
      56, 58, 59,
    ]);
    expect(indexes(true)).toEqual([13, 22, 23, 41, 42, 51]);
    for (const native of [2, 3, 4, 5, 7, 11, 15, 20, 26]) {
      expect(commandSpecOf({ index: native })).toBeUndefined();
    }
    expect(COMMANDS.CMD23_SET_BLOCK_COUNT.families).toEqual(["MMC"]);
  });

  test("busy follows R1b and written data", () => {
    const busy = names.filter((name) => COMMANDS[name].busy).map((name) => COMMANDS[name].index);
    expect(busy).toEqual([12, 24, 25, 27, 28, 29, 38, 42]);
  });

  test.each([
    ["CMD9_SEND_CSD", "R1", { direction: "read", length: 16 }, "read", [0]],
    ["CMD17_READ_SINGLE_BLOCK", "R1", { direction: "read", length: "block" }, "read", [2]],
    ["CMD25_WRITE_MULTIPLE_BLOCK", "R1", { direction: "write", length: "blocks" }, "write", [4]],
    ["CMD38_ERASE", "R1b", undefined, "erase", [5]],
    ["CMD58_READ_OCR", "R3", undefined, "response", [0]],
    ["ACMD13_SD_STATUS", "R2", { direction: "read", length: 64 }, "read", [8]],
    ["ACMD41_SD_SEND_OP_COND", "R1", undefined, "initialise", [8]],
  ] as const)("%s", (name, response, data, timeout, classes) => {
    const spec = COMMANDS[name];
    expect([spec.response, spec.data, spec.timeout, spec.classes]).toEqual([
      response,
      data,
      timeout,
      classes,
    ]);
  });

  test("commands are built with 32-bit arguments only", () => {
    expect(buildCommand("CMD17_READ_SINGLE_BLOCK", 0xffff_ffff)).toEqual({
      index: 17,
      argument: 0xffff_ffff,
      response: "R1",
    });
    expect(buildCommand("ACMD51_SEND_SCR")).toEqual({
      index: 51,
      argument: 0,
      response: "R1",
      app: true,
    });
    for (const argument of [-1, 2 ** 32, 0.5, Number.NaN]) {
      expect(() => buildCommand("CMD17_READ_SINGLE_BLOCK", argument)).toThrow(
        expect.objectContaining({ code: "INTERNAL" }),
      );
    }
  });
});

describe("status bits have names", () => {
  test("R1", () => {
    expect(r1Names(0x7f)).toHaveLength(7);
    expect(describeR1(0x05)).toBe("05 (in idle state, illegal command)");
    expect(describeR1(0)).toBe("00 (ready)");
  });

  test("R2", () => {
    expect(r2Names(0xff)).toHaveLength(8);
    expect(describeStatus({ r1: 0, r2: 0x20 })).toBe(
      "R1 00 (ready), R2 20 (write protect violation)",
    );
    expect(describeStatus({ r1: 1, r2: 0 })).toBe("R1 01 (in idle state), R2 00 (no error)");
  });

  test("data error tokens", () => {
    expect(errorTokenNames(0x0c)).toEqual(["card ECC failed", "out of range"]);
    const tokens = Array.from({ length: 256 }, (_, byte) => byte).filter(isErrorToken);
    expect(tokens).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
  });
});
