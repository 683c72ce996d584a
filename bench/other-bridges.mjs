// The bench card behind the other bridges: what 64 KiB cost in the units of each chip, and its rate in model time.
import { openCard } from "../dist/card/sd-card.js";
import { createSpiModeBus } from "../dist/card/spi-mode/spi-mode-bus.js";
import { openBridge } from "../dist/device/families.js";
import { createSimModel, linkOf, settingsOfSim } from "../dist/device/sim-adapter.js";
import { parseSimOptions } from "../dist/device/sim-options.js";
import { MemoryFlash } from "../dist/sim/card/flash.js";
import { createCardModel } from "../dist/sim/card/model.js";
import { SimClock } from "../dist/sim/clock.js";
import { silentLog } from "../dist/util/log.js";
import { BENCH_CARD } from "./bench-card.mjs";

const BYTES = 64 * 1024;
const SECTORS = 131_072;

/** Options of `sim:`, and the gates: a counter of the chip's model and its bound. */
const BENCHES = [
  [
    "CH341A",
    { bridge: "ch341a" },
    { "packets out": ["outPackets", 2150], "packets in": ["inPackets", 2150] },
  ],
  // Its slowest clock is 468.75 kHz.
  [
    "CH347",
    { bridge: "ch347" },
    { "IN transfers": ["inTransfers", 140] },
    { maxIdentificationHz: 468_750 },
  ],
  [
    "MCP2210",
    { bridge: "mcp2210" },
    { "reports out": ["outReports", 1130], "reports in": ["inReports", 1130] },
  ],
  ["serprog, full duplex", { bridge: "serprog" }, { operations: ["operations", 24] }],
];

async function open(texts, cardOptions) {
  const clock = new SimClock();
  const sim = parseSimOptions(texts);
  const card = createCardModel(new MemoryFlash(SECTORS), {
    ...BENCH_CARD,
    ...sim.card,
    ...cardOptions,
  });
  const adapter = createSimModel(sim, { clock, spi: card });
  const bridge = await openBridge(adapter.family, {
    link: linkOf(adapter),
    settings: settingsOfSim(sim),
    clock,
    log: silentLog,
  });
  const bus = createSpiModeBus({ bridge, clock });
  return { clock, adapter, card, device: await openCard({ bus, clock }) };
}

async function gatesOf([name, texts, bounds, cardOptions = {}]) {
  const { clock, adapter, card, device } = await open(texts, cardOptions);
  const data = Uint8Array.from({ length: BYTES }, (_, at) => (at * 13 + (at >> 9)) & 0xff);
  await device.write(2048, data);
  const into = new Uint8Array(BYTES);
  // Twice, so that hints are learned.
  await device.read(2048, into);
  into.fill(0);
  const before = { ...adapter.model.counters, us: clock.nowUs() };
  await device.read(2048, into);
  const after = { ...adapter.model.counters, us: clock.nowUs() };
  const rate = (BYTES / (after.us - before.us)) * 1e3;
  const equal = Buffer.compare(into, data);
  const broken = adapter.model.violations.length + card.violations.length;
  await device.close();
  const counts = Object.entries(bounds).map(([what, [counter, bound]]) => {
    const value = after[counter] - before[counter];
    return {
      name: `64 KiB read, ${name}: ${what}`,
      value,
      bound: `<= ${bound}`,
      ok: value > 0 && value <= bound,
    };
  });
  return [
    {
      name: `64 KiB read back equal, ${name}, at ${rate.toFixed(0)} kB/s`,
      value: equal,
      bound: "= 0",
      ok: equal === 0,
    },
    ...counts,
    {
      name: `rules of card and chip broken, ${name}`,
      value: broken,
      bound: "= 0",
      ok: broken === 0,
    },
  ];
}

export async function otherBridges() {
  const gates = [];
  for (const bench of BENCHES) gates.push(...(await gatesOf(bench)));
  return gates;
}
