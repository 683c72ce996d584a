import { LIMIT, measure, openBench } from "./bench-card.mjs";

const KIB = 1024;
const BUSY_17_MS = { busy: { us: 16_900 }, stopBusy: { us: 16_900 } };

const most = (name, value, bound) => ({ name, value, bound: `<= ${bound}`, ok: value <= bound });
const share = (name, bytes, us, bound) => {
  const value = ((bytes / (us / 1e6) / LIMIT) * 100).toFixed(1);
  return { name, value: `${value} %`, bound: `>= ${bound} %`, ok: Number(value) >= bound };
};
const equal = (name, value, expected) => ({
  name,
  value,
  bound: `= ${expected}`,
  ok: value === expected,
});

function pattern(length) {
  return Uint8Array.from({ length }, (_, at) => (at * 13 + (at >> 9)) & 0xff);
}

async function reading() {
  const bench = await openBench();
  const data = pattern(64 * KIB);
  await bench.device.write(2048, data);
  const into = new Uint8Array(64 * KIB);
  const read = await measure(bench, () => bench.device.read(2048, into));
  const long = await measure(bench, () => bench.device.read(0, new Uint8Array(KIB * KIB)));
  const one = await measure(bench, () => bench.device.read(7, new Uint8Array(512)));
  return [
    equal("64 KiB read back equal", Buffer.compare(into, data), 0),
    most("64 KiB read: OUT transfers", read.out, 2),
    most("64 KiB read: IN transfers with payload", read.in, 3),
    most("64 KiB read: SPI bytes", read.spi, 66_600),
    share("64 KiB read in one call, of the clock limit", 64 * KIB, read.us, 96),
    share("1 MiB streamed, of the clock limit", KIB * KIB, long.us, 98),
    most("one block read: transfers in all", one.out + one.in, 2),
    equal(
      "rules of card and chip broken",
      bench.cardModel.violations.length + bench.adapter.violations.length,
      0,
    ),
  ];
}

async function writing(name, options) {
  const bench = await openBench(options);
  const data = pattern(64 * KIB);
  const write = await measure(bench, () => bench.device.write(4096, data));
  const into = new Uint8Array(64 * KIB);
  await bench.device.read(4096, into);
  return [
    equal(`64 KiB written, ${name}: read back equal`, Buffer.compare(into, data), 0),
    most(`64 KiB write, ${name}: OUT transfers`, write.out, 131),
    most(`64 KiB write, ${name}: IN transfers with payload`, write.in, 131),
  ];
}

/** Where the wait stops at any clock, nothing may be called written that is not, and the driver polls from then on. */
async function anyClock() {
  const bench = await openBench({ wait: "clock", card: { busy: { us: 333.3 } } });
  const data = pattern(64 * KIB);
  const result = await bench.device.write(4096, data).then(
    () => "written",
    (error) => error.code,
  );
  await bench.device.write(4096, data);
  const into = new Uint8Array(64 * KIB);
  await bench.device.read(4096, into);
  return [
    {
      name: `hardware wait that stops at any clock: the first write ends as`,
      value: result,
      bound: "",
      ok: true,
    },
    equal(
      "hardware wait that stops at any clock: then written and read back equal",
      Buffer.compare(into, data),
      0,
    ),
  ];
}

/** All gates, each with its figure. */
export async function gates() {
  return [
    ...(await reading()),
    ...(await writing("polled", {})),
    ...(await writing("hardware wait", { wait: "byte" })),
    ...(await writing("hardware wait, busy 16.9 ms", { wait: "byte", card: BUSY_17_MS })),
    ...(await anyClock()),
  ];
}
