import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type DeviceRecord,
  encodeDevlist,
  encodeImportReply,
  encodeSubmitted,
  encodeUnlinked,
  type UrbCommand,
} from "../../../src/sim/usbip/protocol.js";
import { MAX_TRANSFER_BYTES, UsbipError, UsbipReader } from "../../../src/sim/usbip/reader.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { cmdSubmit, cmdUnlink, OP_DEVLIST, opImport } from "./client.js";

const RECORD: DeviceRecord = {
  busid: "1-2",
  busNumber: 1,
  deviceNumber: 3,
  speed: "high",
  vendorId: 0x0403,
  productId: 0x6010,
  bcdDevice: 0x0700,
  deviceClass: [0, 0, 0],
  configurationValue: 1,
  interfaces: [
    [0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff],
  ],
};

/** Of the 312 bytes of a device record, those behind the path and the bus id. */
const RECORD_TAIL = "00000001 00000003 00000003 0403 6010 0700 000000 01 01 02".replaceAll(" ", "");

function reading(...chunks: readonly Uint8Array[]): UsbipReader {
  const reader = new UsbipReader();
  for (const chunk of chunks) reader.push(chunk);
  return reader;
}

describe("what the server says", () => {
  it("a listing: header, count, records, interfaces", () => {
    const bytes = encodeDevlist([RECORD]);
    expect(bytes.length).toBe(12 + 312 + 8);
    expect(toHex(bytes.subarray(0, 12))).toBe("0111000500000000" + "00000001");
    expect(Buffer.from(bytes.subarray(12, 268)).toString("latin1")).toMatch(/^\/sys[^\0]*1-2\0+$/);
    expect(Buffer.from(bytes.subarray(268, 300)).toString("latin1")).toBe(`1-2${"\0".repeat(29)}`);
    expect(toHex(bytes.subarray(300, 324))).toBe(RECORD_TAIL);
    expect(toHex(bytes.subarray(324))).toBe("ffffff00ffffff00");
    expect(toHex(encodeDevlist([]))).toBe("011100050000000000000000");
  });

  it("an import: the record without interfaces, or the reason alone", () => {
    const bytes = encodeImportReply(RECORD);
    expect(bytes.length).toBe(320);
    expect(toHex(bytes.subarray(0, 8))).toBe("0111000300000000");
    expect(toHex(bytes.subarray(296))).toBe(RECORD_TAIL);
    expect(toHex(encodeImportReply(2))).toBe("0111000300000002");
  });

  it("answers to URBs: negative error numbers, data behind the header", () => {
    expect(toHex(encodeSubmitted(7, 0, 2, fromHex("3260")))).toBe(
      `00000003 00000007 00000000 00000000 00000000 00000000 00000002 00000000 ffffffff 00000000 ${"00".repeat(8)} 3260`.replaceAll(
        " ",
        "",
      ),
    );
    expect(toHex(encodeSubmitted(7, -32, 0, new Uint8Array(0)).subarray(20, 24))).toBe("ffffffe0");
    const unlinked = encodeUnlinked(9, -104);
    expect([unlinked.length, toHex(unlinked.subarray(0, 8))]).toEqual([48, "0000000400000009"]);
    expect(toHex(unlinked.subarray(20, 24))).toBe("ffffff98");
  });
});

describe("what the server understands", () => {
  it("operations", () => {
    expect(reading(OP_DEVLIST).operation()).toEqual({ kind: "devlist" });
    expect(reading(opImport("1-1")).operation()).toEqual({ kind: "import", busid: "1-1" });
    expect(reading(opImport("x".repeat(32))).operation()).toEqual({
      kind: "import",
      busid: "x".repeat(32),
    });
    expect(reading(opImport("1-1").subarray(0, 39)).operation()).toBeUndefined();
    expect(reading(OP_DEVLIST.subarray(0, 7)).operation()).toBeUndefined();
  });

  it.each([
    ["another version", "0110 8005 00000000"],
    ["another operation", "0111 8004 00000000"],
    ["a reply", "0111 0005 00000000"],
    ["HTTP", "474554202f204854"],
  ])("no operation: %s", (_name, hex) => {
    expect(() => reading(fromHex(hex)).operation()).toThrow(UsbipError);
  });

  it("a control URB as Linux sends it", () => {
    // GET_DESCRIPTOR device, 64 bytes, to device 1-1.
    const bytes = fromHex(
      "00000001 00000001 00010002 00000001 00000000 00000200 00000040 00000000 00000000 00000000 8006000100004000",
    );
    expect(reading(bytes).command()).toEqual({
      kind: "submit",
      seqnum: 1,
      devid: 0x0001_0002,
      direction: "in",
      endpoint: 0,
      length: 64,
      setup: fromHex("8006000100004000"),
      data: new Uint8Array(0),
    });
  });

  it("a bulk OUT waits for its data; an unlink has none", () => {
    const submit = cmdSubmit({
      seqnum: 5,
      devid: 2,
      direction: 0,
      endpoint: 2,
      length: 3,
      data: fromHex("aabbcc"),
      packets: 0xffff_ffff,
    });
    const reader = reading(submit.subarray(0, 50));
    expect(reader.command()).toBeUndefined();
    reader.push(concatBytes([submit.subarray(50), cmdUnlink(6, 2, 5)]));
    expect(reader.command()).toMatchObject({
      seqnum: 5,
      direction: "out",
      data: fromHex("aabbcc"),
    });
    expect(reader.command()).toEqual({ kind: "unlink", seqnum: 6, devid: 2, victim: 5 });
    expect([reader.command(), reader.held]).toEqual([undefined, 0]);
  });

  const good = { seqnum: 1, devid: 2, direction: 0 as const, endpoint: 2, length: 0 };
  it.each([
    ["a command that is an answer", Uint8Array.of(0, 0, 0, 3, ...new Uint8Array(44))],
    ["no such direction", cmdSubmit({ ...good, direction: 2 as 0 })],
    ["no such endpoint", cmdSubmit({ ...good, endpoint: 16 })],
    ["a transfer that is too long", cmdSubmit({ ...good, length: MAX_TRANSFER_BYTES + 1 })],
    ["a negative length", cmdSubmit({ ...good, length: 0xffff_ffff })],
    ["isochronous packets", cmdSubmit({ ...good, packets: 1 })],
  ])("no URB: %s, at once", (_name, bytes) => {
    expect(() => reading(bytes).command()).toThrow(UsbipError);
  });

  it("takes the largest transfer, and holds no more than that", () => {
    const data = new Uint8Array(MAX_TRANSFER_BYTES).fill(0x5a);
    const bytes = cmdSubmit({ ...good, length: data.length, data });
    const reader = new UsbipReader();
    for (let at = 0; at < bytes.length; at += 65_536) {
      expect(reader.command()).toBeUndefined();
      reader.push(bytes.subarray(at, at + 65_536));
    }
    const command = reader.command();
    expect(command?.kind === "submit" && Buffer.compare(command.data, data)).toBe(0);
    expect(reader.held).toBe(0);
  });
});

const word = fc.nat({ max: 0xffff_ffff });

const submits = fc
  .record({
    seqnum: word,
    devid: word,
    isIn: fc.boolean(),
    endpoint: fc.nat({ max: 15 }),
    wanted: fc.nat({ max: MAX_TRANSFER_BYTES }),
    data: fc.uint8Array({ maxLength: 700 }),
    setup: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  })
  .map(({ isIn, wanted, data, ...rest }): { bytes: Uint8Array; command: UrbCommand } => {
    const length = isIn ? wanted : data.length;
    const sent = isIn ? new Uint8Array(0) : data;
    return {
      bytes: cmdSubmit({ ...rest, direction: isIn ? 1 : 0, length, data: sent }),
      command: { kind: "submit", ...rest, direction: isIn ? "in" : "out", length, data: sent },
    };
  });

const unlinks = fc.tuple(word, word, word).map(([seqnum, devid, victim]) => ({
  bytes: cmdUnlink(seqnum, devid, victim),
  command: { kind: "unlink", seqnum, devid, victim } satisfies UrbCommand,
}));

describe("the reader, whatever comes", () => {
  it("finds the same commands however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(submits, unlinks), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        (messages, cuts) => {
          const stream = concatBytes(messages.map(({ bytes }) => bytes));
          const reader = new UsbipReader();
          const found: UrbCommand[] = [];
          let at = 0;
          for (let piece = 0; at < stream.length; piece++) {
            const size = cuts[piece % cuts.length] as number;
            reader.push(stream.subarray(at, at + size));
            at += size;
            for (let next = reader.command(); next !== undefined; next = reader.command())
              found.push(next);
          }
          expect(found).toEqual(messages.map(({ command }) => command));
          expect(reader.held).toBe(0);
        },
      ),
    );
  });

  it("refuses junk or waits for more; nothing else, and it gives back what was its own", () => {
    const chunks = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 120 }),
        submits.map(({ bytes }) => bytes),
        unlinks.map(({ bytes }) => bytes.subarray(0, 31)),
        fc.constant(OP_DEVLIST),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(chunks, fc.boolean(), (all, urbs) => {
        const reader = new UsbipReader();
        const total = all.reduce((sum, chunk) => sum + chunk.length, 0);
        try {
          for (const chunk of all) {
            reader.push(chunk);
            const next = (): object | undefined => (urbs ? reader.command() : reader.operation());
            while (next() !== undefined) expect(reader.held).toBeLessThanOrEqual(total);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(UsbipError);
        }
      }),
    );
  });

  it("a stream of single bytes costs no more than its length allows", () => {
    const data = new Uint8Array(200_000);
    const bytes = cmdSubmit({
      seqnum: 1,
      devid: 2,
      direction: 0,
      endpoint: 2,
      length: data.length,
      data,
    });
    const reader = new UsbipReader();
    for (const byte of bytes) reader.push(Uint8Array.of(byte));
    expect(reader.command()).toMatchObject({ length: data.length });
  });
});
