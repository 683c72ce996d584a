import { describe, expect, test } from "@jest/globals";
import { openPlainSerprog } from "../../../src/bridge/serprog/driver.js";
import type { SdCard } from "../../../src/card/sd-card.js";
import type { SerprogCounts, UnplugPoint } from "../../../src/sim/serprog/model.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import {
  type Bench,
  type BenchOptions,
  bench,
  codeOf,
  openBridge,
  openOn,
  pattern,
} from "./support.js";

const SLOW_START = { card: { initialisationUs: 2000 } } as const satisfies BenchOptions;

/** How a run ended, and what had happened when it came to the closing: failures of that nobody needs to hear of. */
interface Outcome {
  readonly outcome: string;
  readonly calls: number;
  readonly counters: SerprogCounts;
}

type Run = (b: Bench) => Promise<Outcome>;

function running(use: (card: SdCard) => Promise<void>): Run {
  return async (b) => {
    const now = (outcome: string): Outcome => {
      const { submitted, counters } = b.model;
      return { outcome, calls: submitted, counters };
    };
    try {
      const card = await openOn(b);
      await use(card);
      const done = now("done");
      await card.close();
      return done;
    } catch (error) {
      return now(codeOf(error));
    }
  };
}

const infoAndRead = running((card) => card.read(77, new Uint8Array(2 * 512)));
const write4KiB = running((card) => card.write(64, pattern(4096)));

async function whole(run: Run): Promise<Outcome> {
  const done = await run(bench(SLOW_START));
  expect(done.outcome).toBe("done");
  return done;
}

describe("unplugged", () => {
  test.each([
    ["identify and read", infoAndRead],
    ["a write of 4 KiB", write4KiB],
  ])("at every call of the transport: %s", async (_, run) => {
    const { calls } = await whole(run);
    expect(calls).toBeGreaterThan(50);
    for (let index = 0; index < calls; index++) {
      const b = bench(SLOW_START);
      b.model.unplug(index);
      const { outcome } = await run(b);
      expect([index, outcome]).toEqual([index, "TRANSPORT_DISCONNECTED"]);
      expect(b.clock.nowUs()).toBeLessThan(5e6);
      expect(() => b.model.transport()).toThrow(
        expect.objectContaining({ code: "TRANSPORT_DISCONNECTED" }),
      );
    }
  });

  test.each<[string, (counts: SerprogCounts) => number, (at: number) => UnplugPoint]>([
    ["an operation", ({ operations }) => operations, (operation) => ({ operation })],
    ["a byte to the board", (counts) => counts.bytesToBoard, (byteToBoard) => ({ byteToBoard })],
    ["a byte to the host", (counts) => counts.bytesToHost, (byteToHost) => ({ byteToHost })],
  ])("at %s, here and there", async (_, count, point) => {
    const total = count((await whole(infoAndRead)).counters);
    const stride = Math.max(1, Math.floor(total / 30));
    for (let at = 0; at < total; at += stride) {
      const b = bench(SLOW_START);
      b.model.unplug(point(at));
      const { outcome } = await infoAndRead(b);
      expect([at, outcome]).toEqual([at, "TRANSPORT_DISCONNECTED"]);
    }
  });

  test("while nothing goes on: the next call says so, and after a replug it works again", async () => {
    const b = bench(SLOW_START);
    const card = await openOn(b);
    b.model.unplug();
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({
      code: "TRANSPORT_DISCONNECTED",
    });
    await card.close();
    b.model.replug();
    expect(await infoAndRead(b)).toMatchObject({ outcome: "done" });
  });
});

describe("bytes that go wrong on the line", () => {
  const Allowed = /^(done|BRIDGE_|CARD_|TRANSPORT_TIMEOUT)/;

  test.each(["lose", "duplicate", "change"] as const)(
    "%s: any one byte, each way: an error or the right data, and no hang",
    async (kind) => {
      const good = await whole(infoAndRead);
      const { bytesToBoard, bytesToHost } = good.counters;
      for (const [direction, total] of [
        ["toBoard", bytesToBoard],
        ["toHost", bytesToHost],
      ] as const) {
        const stride = Math.max(1, Math.floor(total / 25));
        for (let byte = 0; byte < total; byte += stride) {
          const b = bench(SLOW_START);
          b.model.inject({ direction, byte, kind });
          const { outcome } = await infoAndRead(b);
          expect([kind, direction, byte, outcome.match(Allowed)?.[0] ?? outcome]).toEqual([
            kind,
            direction,
            byte,
            expect.stringMatching(Allowed),
          ]);
          expect(b.clock.nowUs()).toBeLessThan(60e6);
        }
      }
    },
  );

  test("in the middle of a session: the next operation recovers", async () => {
    for (let offset = 0; offset < 60; offset += 7) {
      const b = bench(SLOW_START);
      const card = await openOn(b);
      const data = pattern(8 * 512, offset);
      await card.write(100, data);
      const { bytesToBoard } = b.model.counters;
      b.model.inject({ direction: "toBoard", byte: bytesToBoard + offset, kind: "lose" });
      const into = new Uint8Array(data.length);
      await card.read(100, into).catch(() => undefined);
      await card.read(100, into);
      expect([offset, Buffer.compare(into, data)]).toEqual([offset, 0]);
      await card.close();
    }
  });
});

describe("rubbish in front", () => {
  test.each<[string, readonly number[]]>([
    ["half a command", [0x14, 0x80]],
    ["an operation that lacks its data", [0x13, 0x00, 0x02, 0x00, 0x04, 0x00, 0x00, 0xff]],
    ["an operation of 4096 bytes that lacks all", [0x13, 0x00, 0x10, 0x00, 0x00, 0x10, 0x00]],
    ["noise", [0xde, 0xad, 0xbe, 0xef, 0x13, 0x0d, 0x55]],
    ["answers that nobody has read", [0x01, 0x02, 0x03, 0x10, 0x00, 0x10]],
  ])("%s", async (_, rubbish) => {
    const b = bench(SLOW_START);
    const rude = b.model.transport();
    await rude.write(Uint8Array.from(rubbish), deadlineIn(b.clock, 100));
    await b.clock.sleep(5000);
    await rude.close();
    expect(await infoAndRead(b)).toMatchObject({ outcome: "done" });
  });

  test("a board that ran over its buffer stays silent, and that is said", async () => {
    const b = bench({ board: "pico-serprog-pr15" });
    const rude = b.model.transport();
    await rude.write(Uint8Array.of(0x13, 0x01, 0x10, 0, 0, 0, 0), deadlineIn(b.clock, 100));
    await b.clock.sleep(5000);
    await rude.close();
    expect(b.model.violations.map(({ rule }) => rule)).toEqual(["write-length"]);
    await expect(openBridge(b)).rejects.toMatchObject({
      code: "BRIDGE_SYNC",
      message: expect.stringContaining("silent"),
      hint: expect.stringContaining("unplug it"),
    });
  });
});

test("abort in the middle of a long read, again and again: CS stays where it was", async () => {
  const b = bench();
  const bridge = await openPlainSerprog({ transport: b.model.transport(), clock: b.clock });
  for (const waitUs of [0, 500, 3000, 9000]) {
    const into = new Uint8Array(60_000);
    const segments = [{ kind: "select" }, { kind: "read", into }] as const;
    const read = bridge
      .submit({ label: "long", segments }, deadlineIn(b.clock, 10_000))
      .then(() => "done", codeOf);
    await b.clock.sleep(waitUs);
    const level = await bridge.abort(deadlineIn(b.clock, 2000));
    expect(await read).toBe("BRIDGE_CANCELLED");
    expect(["low", "high", "unknown"]).toContain(level);
    if (level !== "unknown") expect(b.model.board.cs).toBe(level);
    const segment = { kind: "deselect" } as const;
    await bridge.submit({ label: "end", segments: [segment] }, deadlineIn(b.clock, 1000));
    expect(b.model.board.cs).toBe("high");
  }
  await bridge.close();
});
