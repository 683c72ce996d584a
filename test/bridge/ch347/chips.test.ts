import { describe, expect, it } from "@jest/globals";
import { isCh347Device, requireCh347 } from "../../../src/bridge/ch347/chips.js";
import { openCh347 } from "../../../src/bridge/ch347/driver.js";
import { CH347_PARTS } from "../../../src/sim/ch347/options.js";
import { isMmcpstoreError, type MmcpstoreError } from "../../../src/util/errors.js";
import { Bench } from "./support.js";

const WCH = 0x1a86;

function refusal(vendorId: number, productId: number): MmcpstoreError {
  try {
    requireCh347({ vendorId, productId });
  } catch (error) {
    if (isMmcpstoreError(error)) return error;
    throw error;
  }
  throw new Error("it was taken");
}

/** Typed from bridges.md 3.1. */
describe("which CH347 it is", () => {
  it.each([
    [0x55db, "CH347T", 2],
    [0x55de, "CH347F", 4],
  ])("%i is a %s with SPI on interface %i", (productId, name, interfaceNumber) => {
    expect(requireCh347({ vendorId: WCH, productId })).toMatchObject({
      chip: { name },
      interfaceNumber,
    });
    expect(isCh347Device({ vendorId: WCH, productId })).toBe(true);
  });

  it.each([
    [0x55da, "mode 0 (two UARTs, no SPI)"],
    [0x55dc, "mode 2 (SPI over HID)"],
    [0x55dd, "mode 3 (JTAG and I2C, no SPI)"],
  ])("%i is a CH347T in another mode, and it is said what to do", (productId, mode) => {
    const error = refusal(WCH, productId);
    expect(error.code).toBe("BRIDGE_UNSUPPORTED");
    expect(error.message).toContain(`is a CH347T in ${mode}`);
    expect(error.hint).toContain("mode 1");
    expect(error.details).toEqual({ vendorId: WCH, productId });
    expect(isCh347Device({ vendorId: WCH, productId })).toBe(true);
  });

  it.each([
    [WCH, 0x5512],
    [WCH, 0x55e7],
    [0x0403, 0x55db],
  ])("%i:%i is none", (vendorId, productId) => {
    expect(refusal(vendorId, productId).message).toContain("is no CH347");
    expect(isCh347Device({ vendorId, productId })).toBe(false);
  });
});

describe("opening", () => {
  it.each(CH347_PARTS)(
    "a %s sends nothing to what it cannot drive, and gives it back",
    async (part) => {
      const bench = new Bench({ part });
      const outcome = await openCh347({
        transport: bench.model.transport(),
        clock: bench.clock,
      }).then(
        ({ chip }) => chip.name,
        (error: MmcpstoreError) => error.code,
      );
      if (part === "ch347t" || part === "ch347f") {
        expect(outcome).toBe(part === "ch347t" ? "CH347T" : "CH347F");
        return;
      }
      expect([outcome, bench.model.submitted]).toEqual(["BRIDGE_UNSUPPORTED", 0]);
      await bench.model.transport().close();
    },
  );
});
