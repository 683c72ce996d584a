import { describe, expect, it } from "@jest/globals";
import { openSerprog } from "../../../../src/bridge/serprog/driver.js";
import { buildCommand } from "../../../../src/card/commands.js";
import { openCard } from "../../../../src/card/sd-card.js";
import { pollsCard } from "../../../../src/spi/adapter-card-bus.js";
import type { CardBus } from "../../../../src/spi/card-bus.js";
import { deadlineIn } from "../../../../src/util/deadline.js";
import { errorCode, isMmcpstoreError } from "../../../../src/util/errors.js";
import { SdxBench, type SdxBenchOptions } from "./support.js";

function pattern(blocks: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: 512 * blocks }, (_, at) => (at * 7 + seed + (at >> 9)) & 0xff);
}

async function opened(options: SdxBenchOptions = {}): Promise<{
  bench: SdxBench;
  bus: Awaited<ReturnType<SdxBench["open"]>>;
  card: Awaited<ReturnType<typeof openCard>>;
}> {
  const bench = new SdxBench(options);
  const bus = await bench.open();
  const card = await openCard({ bus, clock: bench.clock });
  return { bench, bus, card };
}

const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(() => undefined, errorCode);

const receive = (bus: CardBus, bench: SdxBench, lba: number, blocks: number, into: Uint8Array) =>
  bus.receive(
    {
      command: buildCommand(
        blocks === 1 ? "CMD17_READ_SINGLE_BLOCK" : "CMD18_READ_MULTIPLE_BLOCK",
        lba * 512,
      ),
      blockLength: 512,
      blockCount: blocks,
      into,
      openEnded: blocks > 1,
    },
    deadlineIn(bench.clock, 5000),
  );

const send = (bus: CardBus, bench: SdxBench, lba: number, data: Uint8Array) =>
  bus.send(
    {
      command: buildCommand(
        data.length === 512 ? "CMD24_WRITE_BLOCK" : "CMD25_WRITE_MULTIPLE_BLOCK",
        lba * 512,
      ),
      blockLength: 512,
      data,
      openEnded: data.length > 512,
    },
    deadlineIn(bench.clock, 5000),
  );

describe("own firmware, as a card bus", () => {
  it("identifies a card, writes and reads", async () => {
    const { bench, card } = await opened();
    const data = pattern(40);
    await card.write(100, data);
    const into = new Uint8Array(data.length);
    await card.read(100, into);
    expect(Buffer.compare(into, data)).toBe(0);
    await card.close();
    expect(bench.card.violations).toEqual([]);
  });

  it.each([0, 1, 4])("takes the round trips that it shall, with a window of %d", async (window) => {
    const { bench, bus } = await opened({ info: { window } });
    const count = async (work: () => Promise<unknown>): Promise<number> => {
      const before = bus.roundTrips;
      await work();
      return bus.roundTrips - before;
    };
    const one = new Uint8Array(512);
    const many = new Uint8Array(512 * 128);
    expect(await count(() => receive(bus, bench, 8, 1, one))).toBe(1);
    expect(await count(() => send(bus, bench, 8, pattern(1)))).toBe(1);
    expect(await count(() => receive(bus, bench, 8, 128, many))).toBe(1);
    const writing = await count(() => send(bus, bench, 8, pattern(128)));
    expect(writing).toBeLessThanOrEqual(window === 0 ? 1 : 128 / window + 2);
    const command = buildCommand("CMD13_SEND_STATUS");
    expect(await count(() => bus.command(command, deadlineIn(bench.clock, 1000)))).toBe(1);
    await bus.close();
  });

  it("goes through every sequence number", async () => {
    const { bench, bus } = await opened();
    for (let index = 0; index < 600; index++) {
      const { r1 } = await bus.command(
        buildCommand("CMD13_SEND_STATUS"),
        deadlineIn(bench.clock, 1000),
      );
      expect(r1).toBe(0);
    }
    expect(bench.device.repeated).toBe(0);
    await bus.close();
  });

  it("says in the card's own words what the card refuses", async () => {
    const { bench, bus } = await opened();
    const past = receive(bus, bench, 131_072, 1, new Uint8Array(512));
    await expect(past).rejects.toMatchObject({ code: "CARD_ERROR" });
    expect(bus.stateKnown).toBe(true);
    const odd = await bus.command(
      { index: 60, argument: 0, response: "R1" },
      deadlineIn(bench.clock, 1000),
    );
    expect(odd.r1).toBe(0x04);
    await bus.close();
  });

  it("leaves the session behind it, and plain serprog works again", async () => {
    const { bench, bus } = await opened();
    await bus.close();
    expect(await codeOf(bus.release(deadlineIn(bench.clock, 100)))).toBe("TRANSPORT_CANCELLED");
  });

  it("hands the card over to whoever takes it, in the middle of a read", async () => {
    const { bench, bus } = await opened();
    const reading = receive(bus, bench, 0, 4000, new Uint8Array(512 * 4000)).then(
      () => "done",
      (error: unknown) => (isMmcpstoreError(error) ? error.code : "?"),
    );
    await bench.clock.sleep(400_000);
    const next = bus.preempt();
    expect(next.stateKnown).toBe(false);
    expect(
      await codeOf(bus.command(buildCommand("CMD13_SEND_STATUS"), deadlineIn(bench.clock, 100))),
    ).toBe("BLOCK_PREEMPTED");
    const report = await next.recover(deadlineIn(bench.clock, 3000));
    expect(await reading).toBe("BRIDGE_CANCELLED");
    expect(report).toMatchObject({ outcome: "ready", status: [0, 0] });
    const into = new Uint8Array(512);
    await send(next, bench, 7, pattern(1));
    await receive(next, bench, 7, 1, into);
    expect(Buffer.compare(into, pattern(1))).toBe(0);
    await next.close();
  });

  it("takes the clock that the adapter has, and no lower one", async () => {
    const { bus } = await opened();
    await expect(bus.configure({ frequencyHz: 1000 })).rejects.toMatchObject({ code: "USAGE" });
    expect(await bus.configure({ frequencyHz: 1_000_000 })).toMatchObject({
      frequencyHz: 1_000_000,
    });
    await bus.close();
  });
});

describe("who is not our firmware", () => {
  const strangers = {
    "refuses the byte": Uint8Array.of(0x15),
    "answers with something else": Uint8Array.of(0x06, 1, 2, 3, 4),
    "says nothing": new Uint8Array(0),
  };
  it.each(Object.entries(strangers))("%s: plain serprog", async (_, stranger) => {
    const bench = new SdxBench({ stranger });
    const bridge = await openSerprog({ transport: bench.transport, clock: bench.clock });
    expect(pollsCard(bridge)).toBe(false);
    await bridge.close();
  });

  it("speaks another version: refused", async () => {
    const bench = new SdxBench({ info: { version: 2 } });
    await expect(
      openSerprog({ transport: bench.transport, clock: bench.clock }),
    ).rejects.toMatchObject({
      code: "BRIDGE_UNSUPPORTED",
      hint: expect.stringContaining("firmware"),
    });
  });
});
