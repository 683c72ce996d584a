// A test harness that leaves its last words on a card when it dies of a bug: node harness.js DEVICE TESTS.js
//
// An async call is of no use in a program that is dying: no promise settles any more. So a worker owns the card and has everything
// ready, and the dying thread hands it the log in shared memory and waits, blocked, for its verdict.
import { once } from "node:events";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import {
  createPanicMemory,
  deadlineIn,
  PanicTrigger,
  RealClock,
  type TriggerAnswer,
} from "mmcpstore";

const READY_MS = 10_000;
const DEADLINE_MS = Number(process.env["DEADLINE_MS"] ?? 5000);
/** EX_SOFTWARE of sysexits.h: what this harness has always ended with when it has a bug. */
const EXIT_BUG = 70;
const MAX_LINES = 10_000;

/** A test module exports functions; each is a test. */
type Tests = Readonly<Record<string, (log: (line: string) => void) => unknown>>;

const [device = "sim:card.img", tests = "tests.js"] = process.argv.slice(2);
const lines: string[] = [];
const memory = createPanicMemory();
const trigger = new PanicTrigger(memory);
const worker = new Worker(new URL("card-worker.js", import.meta.url), {
  workerData: { memory, device },
});
process.on("uncaughtException", dying);

try {
  await trigger.ready(deadlineIn(new RealClock(), READY_MS));
} catch (error) {
  // The tests are worth running without it too.
  process.stderr.write(`no panic record will be written: ${(error as Error).message}\n`);
}
const module: Tests = await import(pathToFileURL(resolve(tests)).href);
for (const [name, test] of Object.entries(module)) {
  log(`test ${name}`);
  await test(log);
}
log("all tests are done");
trigger.stop();
if (worker.threadId > 0) await once(worker, "exit");

function log(line: string): void {
  lines.push(`[${process.uptime().toFixed(6).padStart(12)}] ${line}`);
  if (lines.length > MAX_LINES) lines.shift();
  process.stdout.write(`${line}\n`);
}

function dying(error: Error): void {
  lines.push(...(error.stack ?? String(error)).split("\n"));
  const answer = trigger.fire(`${lines.join("\n")}\n`, { deadlineMs: DEADLINE_MS });
  process.stderr.write(`${error.stack}\nlast words: ${describe(answer)}\n`);
  process.exit(EXIT_BUG);
}

function describe(answer: TriggerAnswer): string {
  switch (answer.kind) {
    case "report":
      return `${answer.report.verdict.outcome} ${answer.report.name ?? "nowhere"}`;
    case "failed":
      return `not written: ${answer.error.message}`;
    case "no-answer":
      return `no answer within ${DEADLINE_MS} ms (${answer.state})`;
    case "used-up":
      return `the worker is ${answer.state}`;
  }
}
