import { describe, expect, test } from "@jest/globals";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { createDirectBridge } from "../../support/direct-bridge.js";
import { type Bench, bench, cmd, failure, pattern, read, write } from "./bench.js";
import { ScriptCard, type ScriptCardOptions } from "./script-card.js";

/** The host dies after this many bytes: what it would have clocked further never reaches the card. */
class CutDevice implements SpiDevice {
  readonly #card: ScriptCard;
  #left: number;

  constructor(card: ScriptCard, bytes: number) {
    this.#card = card;
    this.#left = bytes;
  }

  /** Bytes not used up, once the host is through. */
  get left(): number {
    return this.#left;
  }

  mend(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  setCs(level: "high" | "low"): void {
    this.#card.setCs(level);
  }

  peek(): number {
    return this.#card.peek();
  }

  exchange(...[mosi, miso, length, timing]: Parameters<SpiDevice["exchange"]>): void {
    const count = Math.min(length, this.#left);
    this.#card.exchange(mosi, miso, count, timing);
    this.#left -= count;
    if (count < length) throw new Error("cut");
  }
}

type Flow = (bench: Bench) => Promise<unknown>;

const FLOWS: Readonly<Record<string, Flow>> = {
  "single read": (b) => read(b, 0x1234, 1),
  "multi read": (b) => read(b, 0x1234, 2),
  "single write": (b) => write(b, 0x1234, pattern(1, 9)),
  "multi write": (b) => write(b, 0x1234, pattern(3, 9)),
  erase: (b) => b.bus.command(cmd(38, 0, "R1b"), b.in(1000)),
  "ACMD register": (b) =>
    b.bus.receive(
      {
        command: { ...cmd(51), app: true },
        blockLength: 8,
        blockCount: 1,
        into: new Uint8Array(8),
        openEnded: false,
      },
      b.in(1000),
    ),
};

function cutBench(options: ScriptCardOptions, bytes: number): Bench & { device: CutDevice } {
  const card = new ScriptCard(options);
  const device = new CutDevice(card, bytes);
  const bridge = createDirectBridge({ device });
  const bus = createSpiModeBus({ bridge, clock: bridge.clock });
  return { card, device, bridge, bus, in: (ms) => deadlineIn(bridge.clock, ms) };
}

/** Every byte at both ends, where the commands are; every 23rd inside blocks. */
function cutPoints(total: number): number[] {
  const all = Array.from({ length: total }, (_, at) => at);
  return all.filter((at) => at < 45 || at % 23 === 0 || total - at < 45);
}

async function lengthOf(flow: Flow, options: ScriptCardOptions): Promise<number> {
  const whole = cutBench(options, 1e9);
  await flow(whole);
  return 1e9 - whole.device.left;
}

describe("a host that dies after any byte", () => {
  const options: ScriptCardOptions = { ncr: 1, nac: 3, gap: 1, busy: 20 };

  for (const [name, flow] of Object.entries(FLOWS)) {
    for (const deafInWrite of [false, true]) {
      test(`${name}${deafInWrite ? ", a card that takes no CMD12 in a write" : ""}`, async () => {
        const total = await lengthOf(flow, { ...options, deafInWrite });
        const stuck: number[] = [];
        for (const cut of cutPoints(total)) {
          const b = cutBench({ ...options, deafInWrite }, cut);
          await failure(flow(b));
          if (!(await recovered(b, cut))) stuck.push(cut);
        }
        // CMD24 taken and its token not yet sent: such a card waits for ever (card.md 4.7).
        expect(stuck.length).toBeLessThanOrEqual(name === "single write" ? 12 : 0);
      });
    }
  }
});

/** A new host, which knows nothing but the bridge, brings the card back; false if the card stays silent. */
async function recovered(dead: ReturnType<typeof cutBench>, cut: number): Promise<boolean> {
  dead.device.mend();
  const b = { ...dead, bus: createSpiModeBus({ bridge: dead.bridge, clock: dead.bridge.clock }) };
  const { outcome, bytesClocked } = await b.bus.recover(b.in(1000));
  expect({ cut, bounded: bytesClocked < 1900 }).toEqual({ cut, bounded: true });
  if (outcome === "silent") return false;
  expect({ cut, outcome }).toEqual({ cut, outcome: "ready" });
  expect({ cut, known: b.bus.stateKnown, open: b.card.transferring }).toEqual({
    cut,
    known: true,
    open: false,
  });
  for (const [lba, bytes] of b.card.memory) {
    const wanted = pattern(3, 9)
      .subarray((lba - 0x1234) * 512)
      .subarray(0, 512);
    expect({ cut, whole: Buffer.compare(bytes, wanted) }).toEqual({ cut, whole: 0 });
  }
  await write(b, 7, pattern(2, 1));
  expect(await read(b, 7, 2)).toEqual(pattern(2, 1));
  return true;
}

describe("recovery", () => {
  test("of a card that needs none", async () => {
    const b = bench();
    expect(await b.bus.recover(b.in(1000))).toMatchObject({ outcome: "ready", status: [0, 0] });
    expect(b.card.log.at(-1)).toBe("CMD13");
    expect(b.card.log).not.toContain("CMD0");
    expect(b.bridge.stats.aborts).toBe(1);
  });

  test("of a card that streams on because the first CMD12 was lost", async () => {
    const b = bench({ r1: { 12: ["none"] } });
    b.bridge.faults.failStep = 1;
    await failure(read(b, 3, 4));
    expect(b.card.transferring).toBe(true);
    expect((await b.bus.recover(b.in(1000))).outcome).toBe("ready");
    expect(b.card.log.filter((entry) => entry === "CMD12")).toHaveLength(2);
    expect(b.card.transferring).toBe(false);
  });

  test("an empty socket is silent", async () => {
    const bridge = createDirectBridge({
      device: { setCs: () => undefined, peek: () => 0xff, exchange: (_, miso) => miso?.fill(0xff) },
    });
    const bus = createSpiModeBus({ bridge, clock: bridge.clock });
    const report = await bus.recover(deadlineIn(bridge.clock, 1000));
    expect(report.outcome).toBe("silent");
    expect(report.status).toBeUndefined();
    expect(bus.stateKnown).toBe(false);
  });

  test("a line stuck at 0 is busy, and never an answer", async () => {
    const bridge = createDirectBridge({
      device: { setCs: () => undefined, peek: () => 0, exchange: (_, miso) => miso?.fill(0) },
    });
    const bus = createSpiModeBus({ bridge, clock: bridge.clock });
    expect((await bus.recover(deadlineIn(bridge.clock, 300))).outcome).toBe("busy");
    expect(bus.stateKnown).toBe(false);
  });

  test("a card that programs for long is waited for, up to the deadline", async () => {
    const b = bench({ busy: 2_000_000 });
    await failure(b.bus.command(cmd(38, 0, "R1b"), b.in(10)));
    expect((await b.bus.recover(b.in(100))).outcome).toBe("busy");
    expect((await b.bus.recover(b.in(1000))).outcome).toBe("ready");
  });

  test("a card that was power-cycled wants identification", async () => {
    const b = bench({ r1: { 13: 0x01 } });
    expect(await b.bus.recover(b.in(1000))).toMatchObject({
      outcome: "reinitialise",
      status: [1, 0],
    });
    expect(b.bus.stateKnown).toBe(false);
  });

  test("a locked card is ready, and says so", async () => {
    const b = bench({ r2: [0x01, 0x01] });
    expect(await b.bus.recover(b.in(1000))).toMatchObject({ outcome: "ready", status: [0, 1] });
  });

  test("old errors in the first status do not count, lasting ones do", async () => {
    expect((await recoverWith([0x84]))?.outcome).toBe("ready");
    expect((await recoverWith([4, 4, 4, 4]))?.outcome).toBe("reinitialise");
  });

  async function recoverWith(r2: number[]) {
    const b = bench({ r2 });
    return b.bus.recover(b.in(1000));
  }

  test("the bridge's own failure is thrown", async () => {
    const b = bench();
    b.bridge.faults.failStep = 1;
    expect((await failure(b.bus.recover(b.in(100)))).code).toBe("BRIDGE_PROTOCOL");
    expect(b.bus.stateKnown).toBe(false);
  });
});

describe("a bridge that fails at any step", () => {
  for (const [name, flow] of Object.entries(FLOWS)) {
    test(name, async () => {
      const whole = bench({ busy: 20 });
      await flow(whole);
      for (let step = 0; step < whole.bridge.stats.roundTrips; step++) {
        const b = bench({ busy: 20 });
        b.bridge.faults.failStep = step;
        expect((await failure(flow(b))).code).toBe("BRIDGE_PROTOCOL");
        expect({ step, known: b.bus.stateKnown }).toEqual({ step, known: false });
        const { outcome } = await b.bus.recover(b.in(1000));
        if (outcome === "silent" && name === "single write") continue;
        expect({ step, outcome }).toEqual({ step, outcome: "ready" });
        await flow(b);
        expect(b.bridge.stats.aborts).toBe(1);
      }
    });
  }
});
