// The panic path on the bench card: from the trigger to a record that is committed and read back, in model time.

import { PartitionView } from "../dist/block/partition-view.js";
import { openFtdi } from "../dist/bridge/ftdi/driver.js";
import { openCard } from "../dist/card/sd-card.js";
import { createSpiModeBus } from "../dist/card/spi-mode/spi-mode-bus.js";
import { PstoreStore } from "../dist/pstore/store.js";
import { SimClock } from "../dist/sim/clock.js";
import { createFtdiModel } from "../dist/sim/ftdi/model.js";
import { deadlineIn } from "../dist/util/deadline.js";
import { openBench, SPEED_HZ } from "./bench-card.mjs";

const KIB = 1024;
const START_LBA = 2048;
const ZONES = 4;
const ROUND_TRIP_US = 125;
/** Looks for a block that may still come, where a read was open and none came yet (SD Physical Layer 4.6.2.1). */
const ACCESS_US = 5 * 21_000;
const US_PER_BYTE = 8e6 / SPEED_HZ;

const most = (name, value, bound) => ({ name, value, bound: `<= ${bound}`, ok: value <= bound });
const equal = (name, value, expected) => ({
  name,
  value,
  bound: `= ${expected}`,
  ok: value === expected,
});

/** An armed writer; its log fills a zone. */
async function openArmed(kmsgSize, card) {
  const bench = await openBench({ card });
  const view = new PartitionView(bench.device, START_LBA, (ZONES * kmsgSize) / 512);
  const geometry = { kmsgSize, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
  const store = new PstoreStore(view, geometry, bench.clock);
  const armed = await store.arm(bench.clock);
  return { ...bench, store, armed, text: Buffer.alloc(kmsgSize - 200, "0123456789abcde\n") };
}

async function fire({ armed, clock, cardModel, text }) {
  const record = armed.prepare(text, { reason: 1, compress: "never" });
  const before = cardModel.clockedBytes;
  const { verdict } = await armed.fire(record, deadlineIn(clock, 5000));
  return { verdict, spiUs: (cardModel.clockedBytes - before) * US_PER_BYTE };
}

/** The second record, so that hints are learned. */
async function healthy(kmsgSize, roundTrips) {
  const bench = await openArmed(kmsgSize);
  await fire(bench);
  await bench.store.rearm();
  const { verdict, spiUs } = await fire(bench);
  const trips = Math.ceil((verdict.us - spiUs) / ROUND_TRIP_US);
  const name = `panic record, ${kmsgSize / KIB} KiB`;
  return [
    equal(`${name}: verdict`, verdict.outcome, "committed"),
    most(`${name}: round trips beside SPI time and busy`, trips, roundTrips),
    equal(`${name}: recovery`, verdict.recovery === undefined ? "none" : "some", "none"),
  ];
}

const INTERRUPTED = {
  read: ({ device }) => device.read(START_LBA * 4, new Uint8Array(KIB * KIB)),
  write: ({ device }) => device.write(START_LBA * 8, new Uint8Array(KIB * KIB)),
};

/** The engine is in the middle of something, and so is the card. */
async function preempting(what) {
  const bench = await openArmed(4 * KIB);
  // Not zeros: those look like busy for as long as a block lasts.
  const data = Uint8Array.from({ length: KIB * KIB }, (_, at) => (at * 13 + (at >> 9)) & 0xff);
  await bench.device.write(START_LBA * 4, data);
  const preempted = INTERRUPTED[what](bench).then(
    () => "done",
    (error) => error.code,
  );
  await bench.clock.sleep(20_000);
  const { verdict } = await fire(bench);
  const { us, bytesClocked, waitBytes, steps } = verdict.recovery;
  const accessUs = what === "read" && steps.includes("access") ? ACCESS_US : 0;
  const overhead = us - (bytesClocked + waitBytes) * US_PER_BYTE - accessUs;
  const name = `panic in a long ${what}`;
  return [
    equal(`${name}: verdict`, verdict.outcome, "committed"),
    equal(`${name}: the long ${what} ends as`, await preempted, "BLOCK_PREEMPTED"),
    most(
      `${name}: round trips of the recovery (${(us / 1e3).toFixed(1)} ms in all)`,
      Math.ceil(overhead / ROUND_TRIP_US),
      25,
    ),
    most(`${name}: bytes up to the probe and identity`, bytesClocked, 2048 + 768),
  ];
}

/** Nothing is there: counts what is clocked from one CMD0 to the next. */
class Silence {
  rounds = [];
  #bytes = 0;
  #frame = 0;

  setCs() {}

  peek() {
    return 0xff;
  }

  exchange(mosi, miso, length) {
    miso?.fill(0xff, 0, length);
    for (let at = 0; at < length; at++) {
      this.#bytes++;
      const byte = mosi?.[at] ?? 0xff;
      const wanted = [0x40, 0, 0, 0, 0, 0x95][this.#frame];
      this.#frame = byte === wanted ? this.#frame + 1 : byte === 0x40 ? 1 : 0;
      if (this.#frame < 6) continue;
      this.#frame = 0;
      this.rounds.push(this.#bytes);
      this.#bytes = 0;
    }
  }
}

/** One round has a recovery before it, with a bound of its own. */
async function cmd0Rounds() {
  const clock = new SimClock();
  const spi = new Silence();
  const adapter = createFtdiModel({ clock, spi, roundTripUs: ROUND_TRIP_US });
  const bridge = await openFtdi({ transport: adapter.transport(0), clock });
  spi.rounds.length = 0;
  const bus = createSpiModeBus({ bridge, clock });
  await openCard({ bus, clock }).catch(() => undefined);
  const [first, ...others] = spi.rounds.slice(1, 45).sort((a, b) => b - a);
  return [
    most("initialising: most bytes of a CMD0 round", others[0], 1024),
    most("initialising: bytes of the round with a recovery in it", first, 1024 + 2048),
  ];
}

/** All gates of the panic path, each with its figure. */
export async function panicGates() {
  return [
    ...(await healthy(64 * KIB, 150)),
    ...(await healthy(4 * KIB, 25)),
    ...(await preempting("read")),
    ...(await preempting("write")),
    ...(await cmd0Rounds()),
  ];
}
