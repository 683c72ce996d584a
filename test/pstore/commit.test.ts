import { describe, expect, test } from "@jest/globals";
import { type BlockDevice, BlockError, MemoryBlockDevice } from "../../src/block/device.js";
import { payloadCapacity, planCommit } from "../../src/pstore/commit.js";
import {
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordLayout,
  type Zone,
} from "../../src/pstore/types.js";
import { plannedSectors, runPlan, type WritePlan } from "../../src/pstore/write-plan.js";
import { fromHex, toHex } from "../../src/util/bytes.js";
import { LOG, putRecord } from "../support/partition-bytes.js";

const ZONE: Zone = { type: "dmesg", index: 2, offset: 8192, size: 4096 };
const HEADER = {
  tvSec: 0x0102030405060708n,
  tvNsec: 0x0a0b0cn,
  compressed: 1,
  counter: 7,
  reason: 1,
};

function plan(
  payload: Uint8Array,
  layout: RecordLayout = LAYOUT_LE64,
  now?: Uint8Array,
): WritePlan {
  const firstSector = now ?? new Uint8Array(512);
  return planCommit({ zone: ZONE, layout, header: HEADER, payload, firstSector });
}

const shape = ({ steps }: WritePlan): number[][][] =>
  steps.map((step) => step.map(({ lba, bytes }) => [lba, bytes.length / 512]));

describe("steps of a commit", () => {
  test("a record of one sector: trailer and first sector, then the commit", () => {
    expect(shape(plan(LOG))).toEqual([
      [
        [23, 1],
        [16, 1],
      ],
      [[16, 1]],
    ]);
  });

  test("payload, trailer, first sector: only the sectors that are needed", () => {
    expect(shape(plan(new Uint8Array(1500).fill(1)))[0]).toEqual([
      [17, 3],
      [23, 1],
      [16, 1],
    ]);
    const full = new Uint8Array(payloadCapacity(LAYOUT_LE64, ZONE)).fill(1);
    expect(shape(plan(full))[0]).toEqual([
      [17, 7],
      [16, 1],
    ]);
    expect(plannedSectors(plan(full))).toBe(9);
  });

  test("a valid record is erased first, and nothing else of its sector is touched", () => {
    const now = new Uint8Array(512);
    putRecord(now, 0);
    now.fill(0xee, 300);
    const steps = plan(LOG, LAYOUT_LE64, now).steps;
    expect(steps).toHaveLength(3);
    const erased = steps[0]?.[0]?.bytes ?? new Uint8Array(0);
    const changed = [...erased.keys()].filter((at) => erased[at] !== now[at]);
    expect(changed.every((at) => at >= 4 && at < 8)).toBe(true);
    expect(toHex(erased.subarray(4, 8))).toBe("00000000");
  });

  test.each([
    ["an erased one", (now: Uint8Array) => now.fill(0, 4, 8)],
    ["another signature", (now: Uint8Array) => now.fill(0xff)],
    ["too short a length", (now: Uint8Array) => now.fill(0, 5, 8).fill(8, 4, 5)],
  ])("no such step over %s", (_name, change) => {
    const now = new Uint8Array(512);
    putRecord(now, 0);
    expect(plan(LOG, LAYOUT_LE64, change(now)).steps).toHaveLength(2);
  });

  test("step 2 and the commit differ in the length alone", () => {
    for (const layout of [LAYOUT_LE64, LAYOUT_BE64, LAYOUT_I386]) {
      const { steps } = plan(LOG, layout);
      const filled = steps[0]?.at(-1)?.bytes as Uint8Array;
      const commit = steps[1]?.[0]?.bytes as Uint8Array;
      expect(toHex(filled.subarray(4, 8))).toBe("00000000");
      expect(toHex(filled.subarray(8))).toBe(toHex(commit.subarray(8)));
      expect(toHex(filled.subarray(0, 4))).toBe(toHex(commit.subarray(0, 4)));
    }
  });

  // Typed in from the layout tables (reference: field offsets of struct psz_kmsg_header).
  test.each([
    [
      "64-bit",
      LAYOUT_LE64,
      `44424743 2c000000 00000000 e53afc4d 00000000 0807060504030201 0c0b0a0000000000
       01 000000 07000000 01000000 00000000 74657874`,
    ],
    [
      "big-endian",
      LAYOUT_BE64,
      `43474244 0000002c 00000000 4dfc3ae5 00000000 0102030405060708 00000000000a0b0c
       01 000000 00000007 00000001 00000000 74657874`,
    ],
    [
      "i386",
      LAYOUT_I386,
      `44424743 20000000 00000000 e53afc4d 0807060504030201 0c0b0a00
       01 000000 07000000 01000000 74657874`,
    ],
  ])("first sector, %s", (_name, layout, hex) => {
    const commit = plan(Buffer.from("text"), layout).steps[1]?.[0]?.bytes as Uint8Array;
    const head = fromHex(hex.replaceAll(/\s/g, ""));
    expect(toHex(commit.subarray(0, head.length))).toBe(toHex(head));
    expect(commit.subarray(head.length).every((byte) => byte === 0)).toBe(true);
  });

  test("largest payload: zone less 84, of i386 less 72", () => {
    expect(payloadCapacity(LAYOUT_LE64, ZONE)).toBe(4096 - 84);
    expect(payloadCapacity(LAYOUT_I386, ZONE)).toBe(4096 - 72);
    expect(() => plan(new Uint8Array(4096 - 83))).toThrow(
      expect.objectContaining({ code: "INTERNAL" }),
    );
  });

  test("a zone of one sector holds record and trailer", () => {
    const zone: Zone = { ...ZONE, size: 512 };
    const firstSector = new Uint8Array(512);
    const { steps } = planCommit({
      zone,
      layout: LAYOUT_LE64,
      header: HEADER,
      payload: LOG,
      firstSector,
    });
    expect(steps.map((step) => step.map(({ lba }) => lba))).toEqual([[16], [16]]);
    const commit = steps[1]?.[0]?.bytes ?? new Uint8Array(0);
    expect(toHex(commit.subarray(480, 484))).toBe("4d4d4350");
  });
});

/** Memory whose nth call of a kind does something else. */
class Faulty extends MemoryBlockDevice {
  readonly calls: string[] = [];
  failWriteAt = 0;
  dropWriteAt = 0;

  override async write(lba: number, data: Uint8Array): Promise<void> {
    this.calls.push(`write ${lba}+${data.length / 512}`);
    const nth = this.calls.filter((call) => call.startsWith("write")).length;
    if (nth === this.failWriteAt)
      throw new BlockError("CARD_WRITE_REJECTED", "write error", {
        details: { lba },
        hint: "try again",
      });
    if (nth !== this.dropWriteAt) await super.write(lba, data);
  }

  override async flush(): Promise<void> {
    this.calls.push("flush");
  }

  override async read(lba: number, into: Uint8Array): Promise<void> {
    this.calls.push(`read ${lba}+${into.length / 512}`);
    await super.read(lba, into);
  }
}

describe("running a plan", () => {
  const device = (): Faulty => new Faulty(new Uint8Array(16_384));

  test("every step is flushed before the next; in the end all is read back", async () => {
    const faulty = device();
    await runPlan(faulty, plan(new Uint8Array(1500).fill(1)));
    expect(faulty.calls).toEqual([
      "write 17+3",
      "write 23+1",
      "write 16+1",
      "flush",
      "write 16+1",
      "flush",
      "read 16+1",
      "read 17+3",
      "read 23+1",
    ]);
  });

  test("a write that is lost is found by reading back", async () => {
    for (const nth of [1, 2, 4]) {
      const faulty = device();
      faulty.dropWriteAt = nth;
      await expect(runPlan(faulty, plan(new Uint8Array(1500).fill(1)))).rejects.toMatchObject({
        code: "VERIFY_DIFFERS",
        details: { lba: [17, 23, -1, 16][nth - 1] },
      });
    }
  });

  test("a failure keeps its code and says how far it came; nothing is written after it", async () => {
    const faulty = device();
    faulty.failWriteAt = 4;
    await expect(runPlan(faulty, plan(new Uint8Array(1500).fill(1)))).rejects.toMatchObject({
      code: "CARD_WRITE_REJECTED",
      message: "step 2 of 2 failed: write error",
      details: { lba: 16, step: 2, steps: 2 },
      hint: "try again",
    });
    expect(faulty.calls.at(-1)).toBe("write 16+1");
  });

  test("what is no error of ours passes through", async () => {
    const broken: BlockDevice = Object.assign(device(), {
      flush: async () => {
        throw new TypeError("a bug");
      },
    });
    await expect(runPlan(broken, plan(LOG))).rejects.toThrow("a bug");
  });
});
