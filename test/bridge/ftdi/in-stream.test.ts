import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { inTransferBytes, payloadOf } from "../../../src/bridge/ftdi/in-stream.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";

/** An IN transfer as the chip makes it. */
function packed(payload: Uint8Array, packetSize: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += packetSize - 2) {
    parts.push(Uint8Array.of(0x32, 0x60), payload.subarray(at, at + packetSize - 2));
  }
  return concatBytes(parts);
}

describe("status bytes", () => {
  test("an idle FT232H, an answer to AA, nothing at all", () => {
    expect(toHex(payloadOf(fromHex("32 60"), 512))).toBe("");
    expect(toHex(payloadOf(fromHex("32 60 fa aa"), 512))).toBe("faaa");
    expect(toHex(payloadOf(fromHex(""), 512))).toBe("");
  });

  test("a second packet of status bytes alone", () => {
    const transfer = packed(new Uint8Array(62).fill(7), 64);
    expect(payloadOf(concatBytes([transfer, fromHex("32 60")]), 64)).toEqual(
      new Uint8Array(62).fill(7),
    );
  });

  test("at every packet border, of any packet size, in payload that looks like them", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(512, 64, 8),
        fc.uint8Array({ maxLength: 3000 }).map((bytes) => bytes.map((b) => (b & 1 ? 0x32 : 0x60))),
        (packetSize, payload) => {
          const transfer = packed(payload, packetSize);
          expect(toHex(payloadOf(transfer, packetSize))).toBe(toHex(payload));
          const length = inTransferBytes(payload.length, packetSize);
          expect(length % packetSize).toBe(0);
          expect(length).toBeGreaterThanOrEqual(transfer.length);
          expect(length - transfer.length).toBeLessThan(packetSize);
        },
      ),
    );
  });

  test("a packet cut inside its status bytes", () => {
    const cut = concatBytes([packed(new Uint8Array(510), 512), fromHex("32")]);
    for (const transfer of [fromHex("32"), cut]) {
      expect(() => payloadOf(transfer, 512)).toThrow(
        expect.objectContaining({ code: "BRIDGE_PROTOCOL" }),
      );
    }
  });

  test.each([
    [1, 512, 512],
    [510, 512, 512],
    [511, 512, 1024],
    [66_480, 512, 131 * 512],
    [62, 64, 64],
    [63, 64, 128],
    [0, 64, 64],
  ])("room for %i bytes in packets of %i: %i", (payload, packetSize, length) => {
    expect(inTransferBytes(payload, packetSize)).toBe(length);
  });
});
