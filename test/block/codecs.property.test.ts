import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { BlockError } from "../../src/block/device.js";
import {
  arrayBlocks,
  decodeGptEntries,
  decodeGptHeader,
  encodeGptHeader,
  type GptEntry,
  type GptHeader,
  newGptHeader,
  withGptEntry,
} from "../../src/block/gpt.js";
import { formatGuid, NIL_GUID, parseGuid, randomGuid } from "../../src/block/guid.js";
import { decodeBootRecord, encodeChs, type MbrEntry, withMbrEntry } from "../../src/block/mbr.js";
import { readTable } from "../../src/block/table.js";
import { fixedRandom, fixtureDevice, SparseDevice } from "./support.js";

const guid = fc.uuid();
const lba = fc.integer({ min: 0, max: 2 ** 40 });
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

const header: fc.Arbitrary<GptHeader> = fc
  .record({
    revision: fc.nat(0xffffffff),
    headerBytes: fc.integer({ min: 92, max: 512 }),
    myLba: fc.integer({ min: 1, max: 2 ** 40 }),
    alternateLba: lba,
    firstUsableLba: lba,
    usable: fc.integer({ min: 0, max: 2 ** 40 }),
    diskGuid: guid,
    entriesLba: fc.integer({ min: 2, max: 2 ** 40 }),
    entryCount: fc.integer({ min: 1, max: 256 }),
    entryBytes: fc.constantFrom(128, 256, 512, 1024, 4096),
    reserved: bytes(420),
  })
  .map(({ usable, ...rest }) => ({
    ...rest,
    lastUsableLba: rest.firstUsableLba + usable,
    entriesCrc: 0,
  }));

const entry = (number: number): fc.Arbitrary<GptEntry> =>
  fc.record({
    number: fc.constant(number),
    typeGuid: guid.filter((text) => text !== NIL_GUID),
    uniqueGuid: guid,
    firstLba: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    lastLba: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    attributes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    label: fc
      .string({ maxLength: 36, unit: "binary" })
      .map((text) => text.replaceAll("\0", "").slice(0, 36)),
  });

describe("GUIDs", () => {
  test("the EFI System type in the mixed order of UEFI appendix A", () => {
    const onDisk = Uint8Array.from(Buffer.from("28732ac11ff8d211ba4b00a0c93ec93b", "hex"));
    expect(formatGuid(onDisk)).toBe("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    expect(parseGuid("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")).toEqual(onDisk);
  });

  test("text and bytes give each other", () => {
    fc.assert(
      fc.property(bytes(16), (raw) => {
        expect(parseGuid(formatGuid(raw))).toEqual(raw);
      }),
    );
  });

  test.each([
    "",
    "c12a7328",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
    "g12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  ])("%j is none", (text) => expect(parseGuid(text)).toBeUndefined());

  test("random ones have version 4 and the variant of RFC 9562, and repeat with their source", () => {
    const random = fixedRandom();
    const made = Array.from({ length: 50 }, () => randomGuid(random));
    for (const text of made)
      expect(text).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(made).size).toBe(50);
    const again = fixedRandom();
    expect(randomGuid(again)).toBe(made[0]);
  });
});

describe("GPT codec", () => {
  test("a header comes back as it went in, reserved bytes too", () => {
    fc.assert(
      fc.property(header, (made) => {
        const array = new Uint8Array(arrayBlocks(made) * 512).fill(7);
        const back = decodeGptHeader(encodeGptHeader(made, array), made.myLba);
        expect(back).toEqual({ ...made, entriesCrc: expect.any(Number) });
      }),
    );
  });

  test("any changed bit that the checksum covers is found", () => {
    const made = newGptHeader(131_072, "6d6d6370-7374-4f72-8000-000000000001");
    const good = encodeGptHeader(made, new Uint8Array(arrayBlocks(made) * 512));
    expect(decodeGptHeader(good, 1)).toMatchObject({ entryCount: 128 });
    for (let bit = 0; bit < 92 * 8; bit++) {
      const bad = good.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect({ bit, fault: typeof decodeGptHeader(bad, 1) }).toEqual({ bit, fault: "string" });
    }
    expect(decodeGptHeader(good, 2)).toBe("nonsense in its fields");
  });

  test("entries of any size come back, and leave every other byte alone", () => {
    const places = fc.tuple(fc.constantFrom(128, 256, 512), fc.integer({ min: 1, max: 20 }));
    fc.assert(
      fc.property(
        places.chain(([size, number]) =>
          fc.tuple(fc.constant(size), entry(number), bytes(20 * size)),
        ),
        ([size, made, noise]) => {
          const array = withGptEntry(noise, size, made);
          const [from, to] = [(made.number - 1) * size, made.number * size];
          expect(array.subarray(0, from)).toEqual(noise.subarray(0, from));
          expect(array.subarray(to)).toEqual(noise.subarray(to));
          expect(
            decodeGptEntries(array, size).find(({ number }) => number === made.number),
          ).toEqual(made);
        },
      ),
    );
  });
});

describe("MBR codec", () => {
  const slot: fc.Arbitrary<MbrEntry> = fc.record({
    bootIndicator: fc.nat(255),
    type: fc.nat(255),
    startLba: fc.nat(0xffffffff),
    blockCount: fc.nat(0xffffffff),
    firstChs: bytes(3),
    lastChs: bytes(3),
  });

  test("a slot comes back, and leaves every other byte alone", () => {
    fc.assert(
      fc.property(bytes(512), fc.nat(3), slot, (noise, at, made) => {
        const sector = withMbrEntry(noise, at, made);
        const from = 446 + at * 16;
        expect(decodeBootRecord(sector)?.slots[at]).toEqual(made);
        expect(sector.subarray(0, from)).toEqual(noise.subarray(0, from));
        expect(sector.subarray(from + 16, 510)).toEqual(noise.subarray(from + 16, 510));
      }),
    );
  });

  test("CHS stays within the geometry and grows with the block", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (block) => {
        const [head = 0, second = 0, low = 0] = encodeChs(block);
        const [sector, cylinder] = [second & 0x3f, ((second & 0xc0) << 2) | low];
        expect(head).toBeLessThan(255);
        expect(sector).toBeGreaterThan(0);
        const back = (cylinder * 255 + head) * 63 + sector - 1;
        expect(back).toBe(Math.min(block, 1024 * 255 * 63 - 1));
      }),
    );
  });
});

describe("readers of tables", () => {
  const quietly = async (device: SparseDevice): Promise<string> => {
    try {
      const table = await readTable(device);
      JSON.stringify(table, (_, value) => (typeof value === "bigint" ? String(value) : value));
      return table.kind;
    } catch (error) {
      if (error instanceof BlockError) return error.code;
      throw error;
    }
  };
  const outcomes = ["gpt", "mbr", "none", "TABLE_DAMAGED"];

  /** Noise in the first and last four of 100 blocks, with what makes it look like a table. */
  function noisyDevice(noise: Uint8Array, mark: boolean, signature: boolean): SparseDevice {
    const device = new SparseDevice(100);
    for (let at = 0; at < 8; at++)
      device.set(at < 4 ? at : 92 + at, noise.slice(at * 512, at * 512 + 512));
    if (mark) {
      device.sector(0).set([0x55, 0xaa], 510);
      for (let at = 0; at < 4; at++) device.sector(0)[446 + 16 * at] = 0;
    }
    if (signature) for (const at of [1, 99]) device.sector(at).set(Buffer.from("EFI PART"));
    return device;
  }

  test("random bytes give a listing or a BlockError, in bounded steps", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 512 * 8, maxLength: 512 * 8 }),
        fc.boolean(),
        fc.boolean(),
        async (noise, mark, signature) => {
          const device = noisyDevice(noise, mark, signature);
          expect(outcomes).toContain(await quietly(device));
          expect(device.reads).toBeLessThan(600);
        },
      ),
    );
  });

  test("real tables with bytes changed, cut off or grown", async () => {
    const names = [
      "gpt-128",
      "gpt-16",
      "gpt-moved",
      "gpt-hybrid",
      "mbr-logical",
      "mbr-deleted-logical",
    ] as const;
    const change = fc.tuple(fc.nat(), fc.nat(511), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.array(change, { maxLength: 6 }),
        fc.option(fc.integer({ min: 1, max: 200_000 })),
        async (name, changes, blockCount) => {
          const device = fixtureDevice(name);
          const used = [...device.sectors.keys()];
          for (const [which, at, value] of changes)
            device.sector(used[which % used.length] ?? 0)[at] = value;
          if (blockCount !== null) device.blockCount = blockCount;
          expect(outcomes).toContain(await quietly(device));
          expect(device.reads).toBeLessThan(600);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a header with right checksums and any fields is read in bounded memory", async () => {
    await fc.assert(
      fc.asyncProperty(
        header,
        fc.nat(0xffffffff),
        fc.nat(0xffffffff),
        async (made, count, size) => {
          const wild = { ...made, myLba: 1, entryCount: count, entryBytes: size };
          const device = fixtureDevice("gpt-128");
          device.set(1, encodeGptHeader(wild, new Uint8Array(0)));
          expect(outcomes).toContain(await quietly(device));
        },
      ),
    );
  });
});
