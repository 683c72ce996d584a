import { describe, expect, it } from "@jest/globals";
import { ADAPTERS } from "../../../src/device/adapters/data.js";
import { wiringOf } from "../../../src/device/adapters/wiring.js";
import { ADAPTER_CHIPS, parseDeviceSpec } from "../../../src/device/spec.js";

describe("wiring", () => {
  it("is there for every adapter that device strings name, by its id and by its chip's name", () => {
    expect(ADAPTERS.map(({ id }) => id)).toEqual([...ADAPTER_CHIPS]);
    for (const { id, chip } of ADAPTERS) {
      expect(wiringOf(id).adapter.id).toBe(id);
      expect(wiringOf(chip).adapter.id).toBe(id);
    }
  });

  it.each(ADAPTERS.map((adapter) => [adapter.id, adapter] as const))(
    "%s has each wire of a card once, and device strings that parse",
    (id, { devices }) => {
      const { wires, always } = wiringOf(id);
      const needed = wires.filter(({ optional }) => optional === undefined);
      expect(needed.map(({ signal }) => signal).sort()).toEqual(
        ["CS", "SCK", "MOSI", "MISO", "3V3", "GND"].sort(),
      );
      expect(always.join()).toContain("pull-ups");
      for (const device of devices)
        expect(parseDeviceSpec(device.replace("SERIAL", "FT1"))).toHaveProperty("kind", "adapter");
    },
  );

  /** AN_108: SK, DO, DI, CS are bits 0 to 3; SD Physical Layer table 3-1: contacts 5, 2, 7, 1. */
  it("has an FT232H's pins as its documents have them", () => {
    const byPin = Object.fromEntries(
      wiringOf("ft232h").wires.map(({ signal, chipPin, sd }) => [signal, [chipPin, sd[0]]]),
    );
    expect(byPin).toMatchObject({
      SCK: ["ADBUS0", "5"],
      MOSI: ["ADBUS1", "2"],
      MISO: ["ADBUS2", "7"],
      CS: ["ADBUS3", "1"],
    });
  });

  it("moves to channel B for who asks for it, and for a board whose SPI is there", () => {
    for (const name of ["ft2232h/B", "ft2232h/b", "FT4232H/B", "tigard", "Tigard"]) {
      const { channel, wires } = wiringOf(name);
      const cs = wires.find(({ signal }) => signal === "CS");
      expect([name, channel, cs?.chipPin, cs?.label]).toEqual([name, "B", "BDBUS3", "BD3"]);
    }
    expect(wiringOf("tigard").board?.name).toBe("Tigard");
    expect(wiringOf("ft2232h").channel).toBe("A");
    expect(wiringOf("ft232h").channel).toBeUndefined();
  });

  it.each(["", "ft999", "ft232h/B", "ch341a/A", "ft2232h/C"])("refuses %j", (name) => {
    expect(() => wiringOf(name)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
