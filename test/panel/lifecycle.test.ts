import { describe, expect, it } from "@jest/globals";
import { linkOf } from "../../src/device/sim-adapter.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { errorCode } from "../../src/util/errors.js";
import { ADAPTER_BENCHES, AdapterBench } from "../support/adapter-bench.js";

const BLOCK = 512;

function pattern(blocks: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: blocks * BLOCK },
    (_, at) => (at * 13 + (at >> 8) + seed) & 0xff,
  );
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => errorCode(error) ?? String(error),
  );

describe.each(ADAPTER_BENCHES)("%s", (options) => {
  it("opens, identifies a card, writes, reads, and leaves chip and card as they should be", async () => {
    const bench = new AdapterBench(options);
    const { bridge, card } = await bench.open();
    expect(bridge.chip.name).not.toBe("");
    expect(card.blockCount).toBe(131_072);
    const data = pattern(9, 1);
    await card.write(2048, data);
    const back = new Uint8Array(data.length);
    await card.read(2048, back);
    expect(Buffer.compare(back, data)).toBe(0);
    await card.close();
    await card.close();
    expect(bench.adapter.model.violations).toEqual([]);
    expect(bench.card.inTransferState).toBe(true);
    await linkOf(bench.adapter).transport.close();
  });

  it("is one program's at a time, and free for the next one", async () => {
    const bench = new AdapterBench(options);
    const { card } = await bench.open();
    expect(await codeOf(bench.openBridge())).toBe("TRANSPORT_BUSY");
    const data = pattern(2, 5);
    await card.write(7, data);
    await card.close();
    const again = await bench.open();
    const back = new Uint8Array(data.length);
    await again.card.read(7, back);
    expect(Buffer.compare(back, data)).toBe(0);
    await again.card.close();
  });

  it("is aborted in the middle of a transfer, in step again at once, and so is the card after it", async () => {
    const bench = new AdapterBench(options);
    const first = await bench.open();
    const data = pattern(64, 9);
    await first.card.write(512, data);
    const reading = codeOf(first.card.read(512, new Uint8Array(data.length)));
    await bench.clock.sleep(5000);
    await first.bridge.abort(deadlineIn(bench.clock, 2000));
    expect(["BRIDGE_CANCELLED", "done"]).toContain(await reading);
    const back = new Uint8Array(data.length);
    await first.card.read(512, back);
    expect(Buffer.compare(back, data)).toBe(0);
    await first.card.close();
    expect(bench.adapter.model.violations).toEqual([]);
  });

  it("is pulled while it reads, and works again when it is back", async () => {
    const bench = new AdapterBench(options);
    const { card } = await bench.open();
    const data = pattern(64, 3);
    await card.write(512, data);
    const reading = codeOf(card.read(512, new Uint8Array(data.length)));
    await bench.clock.sleep(3000);
    bench.adapter.model.unplug();
    expect(await reading).toBe("TRANSPORT_DISCONNECTED");
    expect(await codeOf(card.read(1, new Uint8Array(BLOCK)))).toBe("TRANSPORT_DISCONNECTED");
    await codeOf(card.close());
    expect(await codeOf(bench.openBridge())).toBe("TRANSPORT_DISCONNECTED");
    bench.adapter.model.replug();
    const again = await bench.open();
    const back = new Uint8Array(data.length);
    await again.card.read(512, back);
    expect(Buffer.compare(back, data)).toBe(0);
    await again.card.close();
  });

  it("says that no card is there, and lets go of the adapter", async () => {
    const bench = new AdapterBench(options);
    bench.card.inject({ kind: "no-response", command: 0, times: 1000 });
    expect(await codeOf(bench.open())).toBe("CARD_ABSENT");
    await linkOf(bench.adapter).transport.close();
  });
});
