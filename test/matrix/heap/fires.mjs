// node --expose-gc fires.mjs WARM-UP FIRES [preempting]: what a panic leaves behind, as JSON. `bytes`: the median of twenty parts, since
// what leaks leaks in each, and what the engine takes or gives back for itself does not. `objects`: counted. Runs on dist.

import { queryObjects } from "node:v8";
import { openBench } from "../../../bench/bench-card.mjs";
import { PartitionView } from "../../../dist/block/partition-view.js";
import { PstoreStore } from "../../../dist/pstore/store.js";
import { deadlineIn } from "../../../dist/util/deadline.js";

const [warmUp, fires] = process.argv.slice(2, 4).map(Number);
const how = process.argv[4];
const PARTS = 20;
const GEOMETRY = { kmsgSize: 4096, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
const LOG = Buffer.from("<0>[    2.000000] Kernel panic - not syncing: again\n");

const { device, clock } = await openBench();
const store = new PstoreStore(new PartitionView(device, 2048, 32), GEOMETRY, clock);
const armed = await store.arm(clock);

async function fire(times) {
  for (let at = 0; at < times; at++) {
    const reading =
      how === "preempting" ? device.read(8192, new Uint8Array(65536)).catch(() => undefined) : 0;
    if (how === "preempting") await clock.sleep(3000);
    const record = armed.prepare(LOG, { reason: 1 });
    const { verdict } = await armed.fire(record, deadlineIn(clock, 5000));
    if (verdict.outcome !== "committed") throw new Error(`fire ${at}: ${verdict.outcome}`);
    await reading;
    await store.rearm();
  }
}

async function held() {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function bytesEach() {
  const growth = [];
  let before = await held();
  for (let part = 0; part < PARTS; part++) {
    await fire(fires / PARTS);
    const now = await held();
    growth.push((now - before) / (fires / PARTS));
    before = now;
  }
  growth.sort((a, b) => a - b);
  return (growth[PARTS / 2 - 1] + growth[PARTS / 2]) / 2;
}

/** Behind the bytes: what the engine counts with stays in the heap for a while. */
async function objectsEach() {
  const count = () => queryObjects(Object, { format: "count" });
  const before = count();
  await fire(fires / 5);
  return (count() - before) / (fires / 5);
}

await fire(warmUp);
const bytes = await bytesEach();
process.stdout.write(JSON.stringify({ bytes, objects: await objectsEach() }));
