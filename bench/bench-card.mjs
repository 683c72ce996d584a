// The bench card of every gate: SDHC, NCR 1, NAC 8, one gap byte, data response at once, busy over within 16 bytes,
// behind an FT232H at 30 MHz with a round trip of 125 µs.
import { openFtdi } from "../dist/bridge/ftdi/driver.js";
import { openCard } from "../dist/card/sd-card.js";
import { createSpiModeBus } from "../dist/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../dist/sim/card/flash.js";
import { createCardModel } from "../dist/sim/card/model.js";
import { SimClock } from "../dist/sim/clock.js";
import { createFtdiModel } from "../dist/sim/ftdi/model.js";

export const SPEED_HZ = 30e6;
/** Payload bytes a second that the wires allow: 512 of every 515 bytes. */
export const LIMIT = ((SPEED_HZ / 8) * 512) / 515;

export const BENCH_CARD = {
  kind: "sdhc",
  ncr: 1,
  nac: { bytes: 8 },
  gap: 1,
  dataResponseDelay: 0,
  busy: { bytes: 14 },
  stopBusy: { bytes: 8 },
  maxFrequencyHz: SPEED_HZ,
};
const SECTORS = 131_072;

/** Opens a bench; `wrap` may stand between driver and model. */
export async function openBench({ card = {}, wait, wrap = (transport) => transport } = {}) {
  const clock = new SimClock();
  const cardModel = createCardModel(new MemoryFlash(SECTORS), { ...BENCH_CARD, ...card });
  const adapter = createFtdiModel({
    clock,
    spi: cardModel,
    chip: "ft232h",
    roundTripUs: 125,
    misoOnGpiol1: wait !== undefined,
    waitGranularity: wait ?? "byte",
  });
  const transport = wrap(adapter.transport(0), clock);
  const bridge = await openFtdi({
    transport,
    clock,
    options: { hardwareWait: wait !== undefined },
  });
  const bus = createSpiModeBus({ bridge, clock });
  const device = await openCard({ bus, clock, options: { speedHz: SPEED_HZ } });
  return { clock, adapter, cardModel, device };
}

/** Runs `call` twice, so that hints are learned, and counts the second. */
export async function measure(bench, call) {
  await call();
  const { counters } = bench.adapter;
  const before = {
    out: counters.outTransfers,
    in: counters.inTransfersWithPayload,
    spi: bench.cardModel.clockedBytes,
    us: bench.clock.nowUs(),
  };
  await call();
  const after = bench.adapter.counters;
  return {
    out: after.outTransfers - before.out,
    in: after.inTransfersWithPayload - before.in,
    spi: bench.cardModel.clockedBytes - before.spi,
    us: bench.clock.nowUs() - before.us,
  };
}
