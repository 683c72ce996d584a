import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { encodeCommand, encodeSpiOperation } from "../../../src/bridge/serprog/codec.js";
import { isRefusal, SerprogLink } from "../../../src/bridge/serprog/link.js";
import { SerialReader } from "../../../src/bridge/serprog/serial-reader.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { SerialTransport } from "../../../src/transport/types.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import type { MmcpstoreError } from "../../../src/util/errors.js";
import { type Peer, portTo } from "./fake-port.js";

interface Rig {
  readonly clock: SimClock;
  readonly port: SerialTransport;
  readonly reader: SerialReader;
  readonly link: SerprogLink;
  in(ms: number): Deadline;
}

function rig(peer: Peer): Rig {
  const clock = new SimClock();
  const port = portTo(clock, peer);
  const reader = new SerialReader(port, clock);
  const link = new SerprogLink(port, reader);
  link.aheadBytes = 1000;
  return { clock, port, reader, link, in: (ms) => deadlineIn(clock, ms) };
}

function failure(promise: Promise<unknown>): Promise<MmcpstoreError> {
  return promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: MmcpstoreError) => error,
  );
}

const answering =
  (hex: string): Peer =>
  (_, answer) =>
    answer(fromHex(hex));

describe("answers", () => {
  test("go to their commands, in order, however they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9), { minLength: 1 }), fc.nat(6), async (lengths, cut) => {
        const all = lengths.map((length, at) => new Uint8Array(length).fill(at));
        const stream = Buffer.concat(all.flatMap((data) => [Buffer.of(6), data]));
        let sent = false;
        const { link, in: within } = rig((_, answer) => {
          if (sent) return;
          sent = true;
          for (let at = 0; at < stream.length; at += cut + 1)
            answer(stream.subarray(at, at + cut + 1));
        });
        const replies = lengths.map((length) =>
          link.run(encodeSpiOperation(new Uint8Array(0), length), within(100)),
        );
        expect((await Promise.all(replies)).map(toHex)).toEqual(all.map(toHex));
        expect([link.busy, link.failure]).toEqual([false, undefined]);
      }),
      { numRuns: 40 },
    );
  });

  test("a NAK fails what is behind it, too, and names the command", async () => {
    const { link, in: within } = rig(answering("06 15 06"));
    const first = link.run(encodeCommand("nop"), within(100));
    const second = failure(link.run(encodeCommand("setCsMode", 1), within(100)));
    const third = failure(link.run(encodeCommand("nop"), within(100)));
    await first;
    expect(await second).toMatchObject({
      code: "BRIDGE_PROTOCOL",
      message: "the programmer refuses 0x18 S_CS_MODE",
      details: { opcode: 0x18, answer: 0x15 },
    });
    expect([isRefusal(await second), (await third).code]).toEqual([true, "BRIDGE_PROTOCOL"]);
    const later = await failure(link.run(encodeCommand("nop"), within(100)));
    expect(later).toMatchObject({ code: "BRIDGE_SYNC", details: { failure: "BRIDGE_PROTOCOL" } });
    link.restart();
    expect(link.failure).toBeUndefined();
  });

  test.each([
    ["neither ACK nor NAK", "42", "answers 0x13 O_SPIOP with 42"],
    ["more than was asked for", "06 01 02 03 04", "answers more than it was asked for"],
  ])("%s", async (_, hex, message) => {
    const { link, in: within } = rig(answering(hex));
    const error = await failure(
      link.run(encodeSpiOperation(Uint8Array.of(9), 3), within(100)).then(() => {
        if (hex.length > 2) throw link.failure;
      }),
    );
    expect([error.code, error.message]).toEqual([
      "BRIDGE_PROTOCOL",
      expect.stringContaining(message),
    ]);
    expect(isRefusal(error)).toBe(false);
  });

  test("none by the deadline", async () => {
    const { link, clock, in: within } = rig(() => undefined);
    expect(await failure(link.run(encodeCommand("nop"), within(40)))).toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
    expect(clock.nowUs()).toBe(40_000);
  });
});

describe("write-ahead", () => {
  test.each([0, 16, 40, 4096])(
    "no more than %d bytes unanswered, but for one command",
    async (most) => {
      let outstanding: number[] = [];
      let worst = 0;
      const clock = new SimClock();
      const port = portTo(clock, (bytes, answer) => {
        for (let at = 0; at < bytes.length; ) {
          const length = 7 + (bytes[at + 1] as number);
          outstanding.push(length);
          at += length;
        }
        const total = outstanding.reduce((sum, length) => sum + length, 0);
        if (outstanding.length > 1) worst = Math.max(worst, total);
        clock.timer(3000, () => {
          for (const _ of outstanding.splice(0)) answer(Uint8Array.of(6));
        });
      });
      const link = new SerprogLink(port, new SerialReader(port, clock));
      link.aheadBytes = most;
      const replies = Array.from({ length: 30 }, (_, at) =>
        link.run(encodeSpiOperation(new Uint8Array((at * 7) % 23), 0), deadlineIn(clock, 5000)),
      );
      await Promise.all(replies);
      outstanding = [];
      expect(worst).toBeLessThanOrEqual(most);
      if (most >= 40) expect(worst).toBeGreaterThan(30);
    },
  );
});

describe("the reader", () => {
  test("a consumer that is sent away leaves its read to the next one", async () => {
    const { clock, reader, port, in: within } = rig(answering("aa bb"));
    const first = failure(reader.some(within(1000)));
    await clock.sleep(1000);
    reader.interrupt(Object.assign(new Error("away"), { code: "BRIDGE_CANCELLED" }));
    expect((await first).code).toBe("BRIDGE_CANCELLED");
    expect((await failure(reader.some(within(5)))).code).toBe("TRANSPORT_TIMEOUT");
    expect(clock.nowUs()).toBe(6000);
    const third = reader.some(within(5000));
    await port.write(Uint8Array.of(0), within(10));
    expect(toHex(await third)).toBe("aabb");
  });

  test("what came while nobody waited is kept", async () => {
    const { clock, reader, port, in: within } = rig(answering("01"));
    void failure(reader.some(within(1000)));
    reader.interrupt(new Error("away"));
    await port.write(Uint8Array.of(0), within(10));
    await clock.sleep(5000);
    expect(toHex(await reader.some(within(1)))).toBe("01");
  });

  test("a read that ends earlier than its new consumer's deadline is begun again", async () => {
    const { clock, reader, port, in: within } = rig(answering("77"));
    void failure(reader.some(within(10)));
    reader.interrupt(new Error("away"));
    const second = reader.some(within(50));
    await clock.sleep(20_000);
    await port.write(Uint8Array.of(0), within(10));
    expect(toHex(await second)).toBe("77");
  });
});
