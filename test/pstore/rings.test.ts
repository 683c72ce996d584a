import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  decodeFtrace,
  type FtraceRecord,
  formatFtrace,
  guessFtraceRecordBytes,
  mergeFtrace,
} from "../../src/pstore/ftrace.js";
import { fullRingSize, linearise, ringState } from "../../src/pstore/ring.js";
import { parseSystemMap, type SymbolLookup } from "../../src/pstore/system-map.js";
import type { ZoneHeader } from "../../src/pstore/zone-header.js";
import { shownByKernel } from "../support/kernel-images.js";

const ring = (datalen: number, start: number): ZoneHeader => ({
  type: "pmsg",
  byteOrder: "little",
  datalen,
  start,
});

describe("ring", () => {
  test.each([
    [0, 0, "erased"],
    [0, 5, "erased"],
    [62, 62, "valid"],
    [4084, 0, "valid"],
    [4084, 4084, "valid"],
    [4085, 0, "overtop"],
    [10, 4085, "overtop"],
    [10, 20, "broken"],
    [0xffff_ffff, 0, "overtop"],
  ])("datalen %i, start %i in a zone of 4096 is %s", (datalen, start, state) => {
    expect(ringState(ring(datalen, start), 4096)).toBe(state);
  });

  test("without a header it is empty", () => {
    expect(ringState(undefined, 4096)).toBe("empty");
  });

  test("its size is known once it has gone round", () => {
    expect(fullRingSize(ring(4084, 2916))).toBe(4096);
    expect(fullRingSize(ring(4084, 4084))).toBeUndefined();
    expect(fullRingSize(ring(0, 0))).toBeUndefined();
  });

  test("what the kernel's way of writing leaves reads as the last bytes written", () => {
    const writes = fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), writes, (capacity, parts) => {
        const { data, header } = writeRing(capacity, parts);
        const all = parts.flatMap((part) => [...part]);
        const kept = header.datalen < capacity ? all : all.slice(-capacity);
        expect([...linearise(data, header)]).toEqual(kept);
      }),
    );
  });
});

/** psz_record_write of fs/pstore/zone.c, as pstore.md section 9 tells it. */
function writeRing(
  capacity: number,
  parts: readonly Uint8Array[],
): { data: Uint8Array; header: ZoneHeader } {
  const data = new Uint8Array(capacity);
  let [datalen, start] = [0, 0];
  for (const whole of parts) {
    let part = whole.subarray(Math.max(0, whole.length - capacity));
    let isFull = datalen >= capacity;
    const rest = capacity - start;
    if (rest < part.length) {
      data.set(part.subarray(0, rest), start);
      part = part.subarray(rest);
      start = 0;
      isFull = true;
    }
    data.set(part, start);
    start += part.length;
    datalen = isFull ? capacity : start;
  }
  return { data, header: ring(datalen, start) };
}

const LINE = /^CPU:(\d+) ts:(\d+) ([0-9a-f]+) {2}([0-9a-f]+) {2}/gm;

function kernelText(): string {
  return Buffer.from(shownByKernel("all-smp2").get("ftrace-pstore_blk-0") ?? "").toString();
}

const record = (cpu: number, timestamp: bigint, ip = 0xffff_ffff_8109_a365n): FtraceRecord => ({
  cpu,
  timestamp,
  ip,
  parentIp: ip + 0x20n,
});

function encode(records: readonly FtraceRecord[], bytes: 16 | 24, little = true): Uint8Array {
  const out = Buffer.alloc(records.length * bytes);
  const view = new DataView(out.buffer, out.byteOffset);
  for (const [index, { cpu, timestamp, ip, parentIp }] of records.entries()) {
    const at = index * bytes;
    const ts = (timestamp << 8n) | BigInt(cpu);
    if (bytes === 24) {
      view.setBigUint64(at, ip, little);
      view.setBigUint64(at + 8, parentIp, little);
    } else {
      view.setUint32(at, Number(ip), little);
      view.setUint32(at + 4, Number(parentIp), little);
    }
    view.setBigUint64(at + bytes - 8, ts, little);
  }
  return new Uint8Array(out);
}

describe("ftrace", () => {
  test("records of 24 and 16 bytes in both byte orders; what is too much is dropped at the front", () => {
    const wide = [record(1, 5n), record(1, 9n)];
    const narrow = [record(3, 5n, 0xc010_0000n), record(3, 6n, 0xc010_0040n)];
    for (const little of [true, false]) {
      const byteOrder = little ? "little" : "big";
      for (const [records, recordBytes] of [
        [wide, 24],
        [narrow, 16],
      ] as const) {
        const data = new Uint8Array([9, 9, 9, ...encode(records, recordBytes, little)]);
        expect(decodeFtrace(data, { recordBytes, byteOrder })).toEqual(records);
        expect(decodeFtrace(data.subarray(0, 3), { recordBytes, byteOrder })).toEqual([]);
      }
    }
  });

  test("zones are merged by time; of equal times the later zone goes first, as in the kernel", () => {
    const zones = [
      [record(0, 1n), record(0, 4n), record(0, 9n)],
      [record(1, 2n), record(1, 4n), record(1, 5n)],
      [],
      [record(3, 3n), record(3, 10n)],
    ];
    const order = mergeFtrace(zones).map(({ cpu, timestamp }) => `${cpu}@${timestamp}`);
    expect(order.join(" ")).toBe("0@1 1@2 3@3 1@4 0@4 1@5 0@9 3@10");
    expect(mergeFtrace([])).toEqual([]);
  });

  test("16-byte records are told from 24-byte ones by their times", () => {
    const times = Array.from({ length: 100 }, (_, at) => record(1, BigInt(1000 + at)));
    for (const order of ["little", "big"] as const) {
      expect(guessFtraceRecordBytes(encode(times, 16, order === "little"), order)).toBe(16);
      expect(guessFtraceRecordBytes(encode(times, 24, order === "little"), order)).toBe(24);
    }
    expect(guessFtraceRecordBytes(new Uint8Array(480), "little")).toBe(24);
    expect(guessFtraceRecordBytes(new Uint8Array(0), "little")).toBe(24);
  });

  test("with the kernel's symbols the text is the kernel's, byte for byte", () => {
    const theirs = kernelText();
    const records = [...theirs.matchAll(LINE)].map(([, cpu, ts, ip, parent]) => ({
      cpu: Number(cpu),
      timestamp: BigInt(ts ?? 0),
      ip: BigInt(`0x${ip}`),
      parentIp: BigInt(`0x${parent}`),
    }));
    expect(records).toHaveLength(2 * 1364);
    const ours = Buffer.from(formatFtrace(records, rebuiltSymbols(theirs))).toString();
    expect(ours.split("\n")).toEqual(theirs.split("\n"));
  });

  test("short addresses are padded to eight digits", () => {
    const text = formatFtrace([{ cpu: 2, timestamp: 7n, ip: 0xc0n, parentIp: 0x12345678n }]);
    expect(Buffer.from(text).toString()).toBe(
      "CPU:2 ts:7 000000c0  12345678  0xc0 <- 0x12345678\n",
    );
  });
});

/**
 * The kernel's symbol table from what it printed: a caller's `symbol+offset/size` gives start and end, a function called its start.
 * Behind a symbol lies one that ends it, so that an address the kernel had no name for finds none of its names either.
 */
function rebuiltSymbols(text: string): SymbolLookup {
  const symbols = new Map<bigint, string>();
  const ends = new Set<bigint>();
  const nameless = new Set<bigint>();
  const pattern =
    /^\S+ \S+ (\S+) {2}(\S+) {2}(\S+)( \[\S+\])? <- (\S+)\+0x(\S+)\/0x(\S+)( \[\S+\])?$/gm;
  for (const match of text.matchAll(pattern)) {
    const [, ip = "", parent = "", name = "", module = "", caller, offset, size, owner = ""] =
      match;
    const start = BigInt(`0x${parent}`) - BigInt(`0x${offset}`);
    symbols.set(start, `${caller}${owner}`);
    ends.add(start + BigInt(`0x${size}`));
    if (name === `0x${ip}`) nameless.add(BigInt(name));
    else if (name !== caller) symbols.set(BigInt(`0x${ip}`), `${name}${module}`);
  }
  for (const end of ends) if (!symbols.has(end)) symbols.set(end, "end");
  const lines = [...symbols].map(([address, name]) => `${address.toString(16)} t ${name}`);
  const lookup = parseSystemMap(lines.join("\n"));
  return (address) => (nameless.has(address) ? undefined : lookup(address));
}

describe("System.map", () => {
  const lookup = parseSystemMap(
    [
      "0000000000000000 A fixed_percpu_data",
      "ffffffff81000000 T _stext",
      "ffffffff81000000 T _text",
      "not a line",
      "ffffffff81000100 t do_one",
      "ffffffff81000180 T do_two",
      "ffffffff81000200 B _end",
      "ffffffffa0000000 t pump [mod]",
      "ffffffffa0000010 t drain\t[mod]",
    ].join("\n"),
  );

  test.each([
    [0xffff_ffff_8100_0000n, "_stext", 0n, 0x100n],
    [0xffff_ffff_8100_017fn, "do_one", 0x7fn, 0x80n],
    [0xffff_ffff_8100_0180n, "do_two", 0n, 0x80n],
  ] as const)("%p lies in %s", (address, name, offset, size) => {
    expect(lookup(address)).toEqual({ name, offset, size });
  });

  test("nothing lies outside", () => {
    expect(lookup(0x1000n)).toBeUndefined();
    expect(lookup(0xffff_ffff_a000_0010n)).toBeUndefined();
    expect(parseSystemMap("")(5n)).toBeUndefined();
  });

  test("a module's symbol says so", () => {
    const found = lookup(0xffff_ffff_a000_0004n);
    expect(found).toEqual({ name: "pump", offset: 4n, size: 0x10n, module: "mod" });
  });

  test("the text names them as the kernel does", () => {
    const one = record(0, 1n, 0xffff_ffff_8100_0110n);
    expect(Buffer.from(formatFtrace([one], lookup)).toString()).toBe(
      "CPU:0 ts:1 ffffffff81000110  ffffffff81000130  do_one <- do_one+0x30/0x80\n",
    );
  });
});
