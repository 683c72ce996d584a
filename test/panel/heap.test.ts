import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "@jest/globals";
import { PanicBench } from "./panic-bench.js";

const FIRES = 1000;
/** Until caches, compiled code and what was learned about the card have their size. */
const WARM_UP = 300;
/** Less than a sector for each 20 fires: code that is compiled meanwhile, not buffers that are kept. */
const SLACK_BYTES = 24 * 1024;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Heap and buffers outside it, once what nobody holds is gone. */
async function heldBytes(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function fireTimes(bench: PanicBench, times: number, interrupted: boolean): Promise<void> {
  for (let at = 0; at < times; at++) {
    bench.bridge.resetStats();
    if (interrupted) {
      bench.bridge.faults.failStep = 0;
      await bench.card.read(0, new Uint8Array(512)).catch(() => undefined);
    }
    const { verdict } = await bench.fire();
    if (verdict.outcome !== "committed") throw new Error(`fire ${at}: ${verdict.outcome}`);
    await bench.store.rearm();
  }
}

test.each([
  ["a healthy card", false],
  ["a card that is taken back each time", true],
])(`${FIRES} fires leave the heap no larger: %s`, async (_, interrupted) => {
  const bench = await PanicBench.open();
  await fireTimes(bench, WARM_UP, interrupted);
  const before = await heldBytes();
  await fireTimes(bench, FIRES, interrupted);
  const grown = (await heldBytes()) - before;
  process.stderr.write(`heap after ${FIRES} fires: ${grown} bytes\n`);
  expect(grown).toBeLessThan(SLACK_BYTES);
});
