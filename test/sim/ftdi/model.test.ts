import { describe, expect, it } from "@jest/globals";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { Bench, pattern, shift } from "./support.js";

describe("the chip at start-up", () => {
  it("shows its descriptors", () => {
    expect(new Bench({ serialNumber: "FT1" }).usb.device).toEqual({
      vendorId: 0x0403,
      productId: 0x6014,
      bcdDevice: 0x0900,
      manufacturer: "FTDI",
      product: "Single RS232-HS",
      serialNumber: "FT1",
      portPath: "1-1",
    });
    expect(new Bench({ chip: "ft2232h" }).usb.device).toMatchObject({
      productId: 0x6010,
      bcdDevice: 0x0700,
    });
    expect(new Bench({ chip: "ft4232h" }).model.interfaces).toHaveLength(4);
  });

  it("answers the sync opcodes AA and AB with FA and the opcode", async () => {
    const bench = new Bench();
    await bench.mpsse();
    expect(toHex(await bench.run("aa 87", 2))).toBe("faaa");
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
    expect(bench.rules()).toEqual([]);
  });

  it("puts 32 60 in front of each packet", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const posted = bench.post();
    await bench.write("aa 87");
    expect(toHex(await posted.done)).toBe("3260faaa");
  });

  it("answers the control requests that read", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.control(0x09, 5);
    const read = (request: number, length: number) =>
      bench.usb.controlIn({ requestType: 0xc0, request, value: 0, index: 1 }, length, bench.in());
    expect(toHex(await read(0x05, 2))).toBe("3260");
    expect(toHex(await read(0x0a, 1))).toBe("05");
    expect(toHex(await read(0x0c, 1))).toBe("fe");
    expect(toHex(await read(0x90, 2))).toBe("ffff");
    await expect(read(0x55, 1)).rejects.toMatchObject({ code: "TRANSPORT_STALL" });
  });

  it("knows its endpoints, and no others", async () => {
    const bench = new Bench({ chip: "ft2232h", packetSize: 64 });
    expect([bench.usb.packetSize(0x02), bench.usb.packetSize(0x81)]).toEqual([64, 64]);
    expect(() => bench.usb.packetSize(0x83)).toThrow(/no endpoint 0x83/);
    await expect(bench.usb.bulkIn(0x83, 64, bench.in()).done).rejects.toMatchObject({
      code: "TRANSPORT_FAULT",
    });
    const second = bench.model.transport(1);
    expect(second.packetSize(0x83)).toBe(64);
  });
});

describe.each([512, 64] as const)("loopback at packets of %d bytes", (packetSize) => {
  const lengths = [1, 62, 63, 124, 510, 511, 1020, 1024, 1025, 4097, 65536];

  it.each(lengths)("brings %d bytes back", async (length) => {
    const bench = new Bench({ packetSize });
    await bench.mpsse();
    const data = pattern(length);
    const script = concatBytes([fromHex("84"), shift(data), fromHex("85 87")]);
    expect(toHex(await bench.run(script, length))).toBe(toHex(data));
    expect(bench.rules()).toEqual([]);
    expect(bench.model.engine.midCommand).toBe(false);
  });
});

describe("shifts on the pins", () => {
  it("exchanges bytes with the device while CS is low", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const reply = await bench.run("80 02 0b 31 03 00 01 02 03 04 80 0a 0b 8f 00 00 87", 4);
    expect(toHex(reply)).toBe("a5010203");
    expect(bench.spi.log.slice(-4)).toEqual(["cs low", "01020304", "cs high", "ff"]);
    expect(bench.rules()).toEqual([]);
  });

  it("writes alone, reads alone, and clocks, with DO as 80 left it", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const reply = await bench.run("80 02 0b 11 01 00 12 35 20 02 00 8e 07 87", 3);
    expect(toHex(reply)).toBe("35ffff");
    expect(bench.spi.log.slice(-3)).toEqual(["1235", "ffffff", "ff"]);
    expect(bench.rules()).toEqual([]);
  });

  it("keeps DO low after a write that ended low, and says so when a read follows", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.run("80 02 0b 11 00 00 34 20 01 00 87", 2);
    expect(bench.spi.log.at(-1)).toBe("0000");
    expect(bench.rules()).toEqual(["mosi-low"]);
    const gpio = new Bench({ doAfterWrite: "gpio" });
    await gpio.mpsse();
    await gpio.run("80 02 0b 11 00 00 34 20 01 00 87", 2);
    expect([gpio.spi.log.at(-1), gpio.rules()]).toEqual(["ffff", []]);
  });

  it("clocks at the frequency that base and divisor give", async () => {
    const bench = new Bench();
    await bench.mpsse(74);
    expect(bench.model.engine.frequencyHz).toBe(400_000);
    await bench.run("31 00 00 ff 87", 1);
    expect(bench.spi.timings.at(-1)?.usPerByte).toBeCloseTo(20, 9);
    await bench.write("8b 86 00 00");
    expect(bench.model.engine.frequencyHz).toBe(6_000_000);
  });

  it("cuts bytes into bits, and joins them again for the device", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const reply = await bench.run("80 02 0b 13 02 a0 33 04 28 31 00 00 c3 22 07 87", 3);
    // The device sees 101 + 00101 = a5, then c3, then ff; MISO shows a5, a5, c3.
    expect(bench.spi.log.slice(-4)).toEqual(["cs low", "a5", "c3", "ff"]);
    expect(toHex(reply)).toBe("05a5c3");
  });

  it("carries bytes over a bit border until CS rises", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const reply = await bench.run(
      "80 02 0b 13 00 80 31 01 00 12 34 80 0a 0b 80 02 0b 31 00 00 ff 87",
      3,
    );
    // 1 0001 0010 0011 0100: 0x89, 0x1a, and a zero that CS cuts off.
    expect(bench.spi.log.slice(-5)).toEqual(["89", "1a", "cs high", "cs low", "ff"]);
    expect(toHex(reply)).toBe("4b12a5");
  });

  it("reads the pins, MISO and its copy on GPIOL1 among them", async () => {
    const bench = new Bench({ misoOnGpiol1: true });
    await bench.mpsse();
    expect(toHex(await bench.run("81 83 82 01 03 83 87", 3))).toBe("fefffd");
    // CS low: the device shows a5, MISO high; after 00 it shows 00, MISO low.
    expect(toHex(await bench.run("80 02 0b 81 11 00 00 00 81 87", 2))).toBe("f6d0");
  });

  it("shifts LSB first if asked, and says that SPI cards do not", async () => {
    const bench = new Bench();
    await bench.mpsse();
    expect(toHex(await bench.run("80 02 0b 39 01 00 01 80 87", 2))).toBe("a501");
    expect(bench.spi.log.at(-1)).toBe("8001");
    expect(bench.rules()).toEqual(["shift-kind"]);
  });

  it("does not move a device whose clock is no output", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const before = bench.spi.log.length;
    await bench.run("80 0a 0a 31 00 00 55 87", 1);
    expect(bench.spi.log.length).toBe(before);
    expect(bench.rules()).toEqual(["pins"]);
  });

  it("clocks once for a rising edge made by 80", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const edge = (data: number): string =>
      `80 ${data ? "02" : "00"} 0b 80 ${data ? "03" : "01"} 0b 80 02 0b`;
    await bench.write([0, 1, 0, 0, 0, 0, 0, 1].map(edge).join(" "));
    expect(bench.model.engine.cs).toBe("low");
    expect(bench.spi.log.slice(-2)).toEqual(["cs low", "41"]);
  });
});

describe("pins when the bit mode changes", () => {
  it("float, so CS goes high, until the next 80", async () => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.write("80 02 0b");
    expect(bench.model.engine.cs).toBe("low");
    await bench.control(0x0b, 0);
    expect(bench.model.engine.cs).toBe("high");
    await bench.control(0x0b, 0x020b);
    expect(bench.model.engine.cs).toBe("high");
  });

  it("or stay as they were", async () => {
    const bench = new Bench({ pinsOnModeChange: "hold" });
    await bench.mpsse();
    await bench.write("80 02 0b");
    await bench.control(0x0b, 0);
    await bench.control(0x0b, 0x020b);
    expect(bench.model.engine.cs).toBe("low");
  });
});

describe("the rules of the chip", () => {
  const cases: readonly (readonly [string, string, string[]])[] = [
    ["clock change with CS low", "80 02 0b 86 01 00", ["clock-change-selected"]],
    ["clock change with CS high", "86 01 00", []],
    ["base change with CS low", "80 02 0b 8b", ["clock-change-selected"]],
    ["read with DO low", "80 00 0b 20 00 00", ["mosi-low"]],
    ["clocks with DO low and CS low", "80 00 0b 8f 00 00", ["mosi-low"]],
    ["clocks with DO low and CS high", "80 08 0b 8f 00 00", []],
    ["nine bits", "13 08 ff", ["shift-length"]],
    ["out on the rising edge", "10 00 00 ff", ["shift-kind"]],
    ["in on the falling edge", "24 00 00", ["shift-kind"]],
    ["a shift to TMS", "4b 00 01", ["shift-kind"]],
    ["SCK idling high", "80 0b 0b 11 00 00 ff", ["pins"]],
    ["DO no output", "80 0a 09 11 00 00 ff", ["pins"]],
    ["adaptive clocking", "96 11 00 00 ff", ["clock-mode"]],
    ["three-phase data", "8c 11 00 00 ff", ["clock-mode"]],
    ["loopback with CS low", "80 02 0b 84 31 00 00 ff", ["loopback-selected"]],
    ["an opcode that does not exist", "c5", ["bad-opcode"]],
    ["the sync opcodes", "aa ab", []],
  ];

  it.each(cases)("%s", async (_name, script, rules) => {
    const bench = new Bench();
    await bench.mpsse();
    await bench.write(script);
    await bench.clock.sleep(1000);
    expect(bench.rules()).toEqual(rules);
  });

  it("OUT data outside MPSSE mode goes nowhere", async () => {
    const bench = new Bench();
    await bench.write("80 02 0b 31 00 00 ff");
    expect(bench.rules()).toEqual(["not-mpsse"]);
    await bench.mpsse();
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
    expect(bench.spi.log.filter((line) => line !== "cs high")).toEqual([]);
  });

  it("control requests for another channel, of no known kind, or that write the EEPROM", async () => {
    const bench = new Bench();
    const send = (request: number, value: number, index: number) =>
      bench.usb.controlOut(
        { requestType: 0x40, request, value, index },
        new Uint8Array(0),
        bench.in(),
      );
    await send(0x00, 0, 2);
    await send(0x09, 0, 1);
    await send(0x91, 1, 0);
    await expect(send(0x77, 0, 1)).rejects.toMatchObject({ code: "TRANSPORT_STALL" });
    expect(bench.rules()).toEqual([
      "control-index",
      "control-value",
      "control-request",
      "control-request",
    ]);
  });

  it("an IN length that is no multiple of the packet size overflows", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const posted = bench.post(100);
    const failed = expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_FAULT" });
    await bench.write(concatBytes([fromHex("84"), shift(pattern(200)), fromHex("87")]));
    await failed;
    expect(bench.rules()).toEqual(["in-length"]);
  });

  it("has no MPSSE on channels C and D of the FT4232H", async () => {
    const bench = new Bench({ chip: "ft4232h" });
    const usb = bench.model.transport(2);
    const setup = { requestType: 0x40, request: 0x0b, value: 0x0200, index: 3 };
    await usb.controlOut(setup, new Uint8Array(0), bench.in());
    await usb.bulkOut(0x06, fromHex("ab 87"), bench.in()).done;
    expect(bench.rules()).toEqual(["control-value", "not-mpsse"]);
  });
});
