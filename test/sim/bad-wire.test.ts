import { describe, expect, it } from "@jest/globals";
import { BadWire, MISO_FAULTS } from "../../src/sim/bad-wire.js";
import { EchoDevice } from "./ftdi/support.js";

const at = (hz: number) => ({ startUs: 0, usPerByte: 8e6 / hz });

function shown(wire: BadWire, length: number, hz = 1e6): Uint8Array {
  const miso = new Uint8Array(length);
  wire.exchange(undefined, miso, length, at(hz));
  return miso;
}

describe("a bad wire", () => {
  it("is no wire at all where nothing is wrong", () => {
    const wire = new BadWire(new EchoDevice(), {});
    expect([...shown(wire, 4)]).toEqual([255, 255, 255, 255]);
    wire.setCs("low");
    expect(wire.peek(0)).toBe(0xa5);
    expect([...shown(wire, 3)]).toEqual([0xa5, 255, 255]);
  });

  it.each([
    ["low", [0, 0], [0, 0]],
    ["high", [255, 255], [255, 255]],
    ["unpulled", [0, 0], [0xa5, 255]],
  ] as const)("%s", (miso, released, selected) => {
    const device = new EchoDevice();
    const wire = new BadWire(device, { miso });
    expect([...shown(wire, 2)]).toEqual(released);
    wire.setCs("low");
    expect(wire.peek(0)).toBe(selected[0]);
    expect([...shown(wire, 2)]).toEqual(selected);
    // What the host sends arrives all the same.
    expect(device.log.at(-1)).toBe("ffff");
  });

  it("floating: noise, the same in every run", () => {
    const bytes = shown(new BadWire(new EchoDevice(), { miso: "floating" }), 64);
    expect(shown(new BadWire(new EchoDevice(), { miso: "floating" }), 64)).toEqual(bytes);
    expect(new Set(bytes).size).toBeGreaterThan(32);
    const wire = new BadWire(new EchoDevice(), { miso: "floating" });
    expect(wire.peek(0)).toBe(shown(wire, 1)[0]);
  });

  it("loses a bit in every block above its clock, and none at it", () => {
    const wire = new BadWire(new EchoDevice(), { cleanHz: 12e6 });
    expect(shown(wire, 10_000, 12e6).every((byte) => byte === 0xff)).toBe(true);
    for (let block = 0; block < 20; block++)
      expect(shown(wire, 514, 12.1e6).some((byte) => byte !== 0xff)).toBe(true);
  });

  it("has a name for each fault in device strings", () => {
    expect(MISO_FAULTS).toEqual(["low", "high", "floating", "unpulled"]);
  });
});
