// npm run bench: gates that are counts on the simulated bench (they fail the run), and host times (printed only).
import { gates } from "./gates.mjs";
import { hostTimes } from "./host-times.mjs";
import { otherBridges } from "./other-bridges.mjs";
import { panicGates } from "./panic.mjs";

let failed = 0;
const all = [...(await gates()), ...(await panicGates()), ...(await otherBridges())];
for (const { name, value, bound, ok } of all) {
  process.stdout.write(
    `${ok ? "ok  " : "FAIL"}  ${name.padEnd(66)} ${String(value).padStart(9)}  ${bound}\n`,
  );
  if (!ok) failed++;
}
process.stdout.write("\nnot gated (median of 9):\n");
for (const [name, value] of await hostTimes())
  process.stdout.write(`      ${name.padEnd(66)} ${value}\n`);
if (failed > 0) {
  process.stdout.write(`\n${failed} gates failed\n`);
  process.exitCode = 1;
}
