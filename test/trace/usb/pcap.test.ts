import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { exportPcap, exportPcapng } from "../../../src/trace/usb/pcap.js";
import { urbsOf } from "../../../src/trace/usb/urbs.js";
import { encodeUsbmon } from "../../../src/trace/usb/usbmon.js";
import type { Cassette, TransferRequest } from "../../../src/transport/cassette.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { cassetteOf, headerOf } from "./cassettes.js";

interface Packet {
  readonly wallUs: bigint;
  readonly bytes: Buffer;
}

/** A reader of classic pcap files. */
function readPcap(file: Buffer): Packet[] {
  expect(file.subarray(0, 24).toString("hex")).toBe(
    toHex(fromHex("d4c3b2a1 0200 0400 00000000 00000000 00000008 dc000000")),
  );
  const packets: Packet[] = [];
  for (let at = 24; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    expect(file.readUInt32LE(at + 12)).toBe(length);
    const wallUs = BigInt(file.readUInt32LE(at)) * 1_000_000n + BigInt(file.readUInt32LE(at + 4));
    packets.push({ wallUs, bytes: file.subarray(at + 16, at + 16 + length) });
    at += 16 + length;
  }
  return packets;
}

/** A reader of pcapng files: blocks with their lengths in front and behind. */
function readPcapng(file: Buffer): { readonly types: number[]; readonly packets: Packet[] } {
  const types: number[] = [];
  const packets: Packet[] = [];
  for (let at = 0; at < file.length; ) {
    const total = file.readUInt32LE(at + 4);
    expect([total % 4, file.readUInt32LE(at + total - 4)]).toEqual([0, total]);
    types.push(file.readUInt32LE(at));
    if (types.at(-1) === 6) {
      const high = BigInt(file.readUInt32LE(at + 12));
      const wallUs = (high << 32n) | BigInt(file.readUInt32LE(at + 16));
      const length = file.readUInt32LE(at + 20);
      packets.push({ wallUs, bytes: file.subarray(at + 28, at + 28 + length) });
    }
    at += total;
  }
  return { types, packets };
}

const bytes = fc.uint8Array({ maxLength: 70 });
const transfer: fc.Arbitrary<readonly [TransferRequest, { readonly data?: Uint8Array }]> = fc.oneof(
  bytes.map((data) => [{ type: "bulkOut", endpoint: 2, data }, {}] as const),
  bytes.map((data) => [{ type: "bulkIn", endpoint: 0x81, length: 512 }, { data }] as const),
  bytes.map((data) => {
    const setup = { requestType: 0xc0, request: 1, value: 2, index: 3 };
    return [{ type: "controlIn", setup, length: 64 }, { data }] as const;
  }),
);

function expectedOf(cassette: Cassette): Packet[] {
  return urbsOf(cassette).map((urb) => ({
    wallUs: BigInt(urb.wallUs),
    bytes: Buffer.from(encodeUsbmon(urb, { bus: 1, device: 2 })),
  }));
}

describe("packet files", () => {
  test("a pcapng begins with its section and its interface", () => {
    const [section, face] = [...exportPcapng(cassetteOf([], headerOf({ tool: "0.1.0" })))];
    expect(toHex(section ?? new Uint8Array(0))).toBe(
      toHex(
        fromHex(
          `0a0d0d0a 34000000 4d3c2b1a 01000000 ffffffff ffffffff 04000f00 ${Buffer.from("mmcpstore 0.1.0").toString("hex")}00 00000000 34000000`,
        ),
      ),
    );
    expect(toHex(face ?? new Uint8Array(0))).toBe(
      toHex(
        fromHex(
          `01000000 24000000 dc000000 00000008 02000700 ${Buffer.from("usbmon1").toString("hex")}00 00000000 24000000`,
        ),
      ),
    );
  });

  test("both kinds hold the same packets at the same times", () => {
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 20 }), (transfers) => {
        const cassette = cassetteOf(transfers);
        const packets = expectedOf(cassette);
        expect(readPcap(Buffer.from(concatBytes([...exportPcap(cassette)])))).toEqual(packets);
        const pcapng = readPcapng(Buffer.from(concatBytes([...exportPcapng(cassette)])));
        expect(pcapng.packets).toEqual(packets);
        expect(pcapng.types.slice(0, 2)).toEqual([0x0a0d0d0a, 1]);
      }),
    );
  });

  test("the device is plugged in first: its descriptors are read, its configuration is set", () => {
    const packets = readPcap(Buffer.from(concatBytes([...exportPcap(cassetteOf([]))])));
    const setups = packets
      .filter(({ bytes: [, , , , , , , , type] }) => type === 0x53)
      .map((packet) => packet.bytes.subarray(40, 48).toString("hex"));
    expect(setups).toEqual(["8006000100001200", "8006000200002000", "0009010000000000"]);
    expect(packets.map(({ wallUs }) => wallUs)).toEqual(
      [6n, 5n, 4n, 3n, 2n, 1n].map((before) => 1_700_000_000_000_000n - before),
    );
  });

  test("a wall clock that was never set does not bring times before 1970", () => {
    const cassette = cassetteOf([], headerOf({ wallTimeMs: 0 }));
    const packets = readPcap(Buffer.from(concatBytes([...exportPcap(cassette)])));
    expect(packets[0]?.wallUs).toBe(994n);
  });

  test("nothing is begun for a serial port", () => {
    const cassette = cassetteOf(
      [],
      headerOf({ transport: "serial", device: { path: "/dev/ttyACM0" } }),
    );
    for (const pieces of [exportPcap(cassette), exportPcapng(cassette)])
      expect(() => [...pieces]).toThrow("no USB transfers");
  });
});
