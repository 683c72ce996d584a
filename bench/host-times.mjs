import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openBench } from "./bench-card.mjs";

const RUNS = 9;
const BYTES = 4 << 20;
const main = join(dirname(fileURLToPath(import.meta.url)), "..", "dist", "cli", "main.js");

async function median(run) {
  const times = [];
  for (let at = 0; at < RUNS; at++) {
    const start = process.hrtime.bigint();
    await run();
    times.push(Number(process.hrtime.bigint() - start) / 1e3);
  }
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)];
}

/** A transport that answers at once with what the model answered the first time, however often it is asked. */
function canned() {
  let replies;
  let at = 0;
  const wrap = (inner) => ({
    get device() {
      return inner.device;
    },
    packetSize: (endpoint) => inner.packetSize(endpoint),
    controlOut: (...args) => inner.controlOut(...args),
    controlIn: (...args) => inner.controlIn(...args),
    bulkOut: (...args) =>
      replies?.ready ? { done: Promise.resolve(), cancel() {} } : inner.bulkOut(...args),
    bulkIn(...args) {
      if (replies?.ready)
        return { done: Promise.resolve(replies.list[at++ % replies.list.length]), cancel() {} };
      const transfer = inner.bulkIn(...args);
      if (replies !== undefined)
        transfer.done.then(
          (data) => replies.list.push(data.slice()),
          () => undefined,
        );
      return transfer;
    },
    close: () => inner.close(),
  });
  return {
    wrap,
    record() {
      replies = { list: [], ready: false };
    },
    play() {
      replies.ready = true;
      at = 0;
    },
  };
}

async function hostCpu() {
  const tape = canned();
  const bench = await openBench({ wrap: tape.wrap });
  const into = new Uint8Array(BYTES);
  await bench.device.read(0, into);
  await bench.device.read(0, into);
  tape.record();
  await bench.device.read(0, into);
  tape.play();
  const us = await median(() => bench.device.read(0, into));
  return `${(us / (BYTES / 512)).toFixed(1)} µs (aim: 15)`;
}

async function wholeStack() {
  const bench = await openBench();
  const into = new Uint8Array(BYTES);
  const us = await median(() => bench.device.read(0, into));
  return `${(BYTES / us).toFixed(1)} MB/s (aim: 5)`;
}

async function coldStart() {
  const node = await median(() => spawnSync(process.execPath, ["-e", "0"]));
  const version = await median(() => spawnSync(process.execPath, [main, "--version"]));
  return `${(version / 1e3).toFixed(0)} ms, ${(version / node).toFixed(2)} x bare node (aim: 2)`;
}

const LINES = 200_000;

/** Lines of a console through a pipe into `watch`, from its start to its end. */
async function watchRate() {
  const dir = mkdtempSync(join(tmpdir(), "mmcpstore-bench-"));
  const card = join(dir, "card.img");
  writeFileSync(card, new Uint8Array(1 << 20));
  const line = (at) =>
    `[${(at / 1e4).toFixed(6).padStart(12)}] usb 1-1: line ${at} of a driver\r\n`;
  const input = Array.from({ length: LINES }, (_, at) => line(at)).join("");
  const args = [main, "-d", `image:${card}`, "-p", "whole", "watch", "--console", "-"];
  const us = await median(() => {
    const { stderr } = spawnSync(process.execPath, args, { input, encoding: "utf8" });
    if (!stderr.includes(`${LINES} lines`)) throw new Error(`watch lost lines: ${stderr}`);
  });
  rmSync(dir, { recursive: true });
  return `${Math.round(LINES / (us / 1e6))} lines/s (aim: 10000)`;
}

/** Times of this host: [what, figure]. */
export async function hostTimes() {
  return [
    ["host CPU a block read, over canned replies", await hostCpu()],
    ["whole stack with simulators, reading", await wholeStack()],
    ["cold start of --version", await coldStart()],
    [`watch -, ${LINES} lines through a pipe, start included`, await watchRate()],
  ];
}
