import { describe, expect, it } from "@jest/globals";
import { openFtdi } from "../../../src/bridge/ftdi/driver.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createFtdiModel,
  type FtdiModel,
  type FtdiModelOptions,
} from "../../../src/sim/ftdi/model.js";
import type { Segment, SpiBridge } from "../../../src/spi/bridge.js";
import { toHex } from "../../../src/util/bytes.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { EchoDevice, pattern } from "./support.js";

interface Rig {
  readonly clock: SimClock;
  readonly spi: EchoDevice;
  readonly model: FtdiModel;
}

function rig(options: Partial<FtdiModelOptions> = {}): Rig {
  const clock = new SimClock();
  const spi = new EchoDevice();
  return { clock, spi, model: createFtdiModel({ spi, ...options, clock }) };
}

function open({ clock, model }: Rig, channel = "A"): Promise<SpiBridge> {
  const transport = model.transport(channel === "A" ? 0 : 1);
  return openFtdi({ transport, clock, channel });
}

async function exchange(bridge: SpiBridge, clock: SimClock, data: Uint8Array): Promise<Uint8Array> {
  const into = new Uint8Array(data.length);
  const segments: Segment[] = [
    { kind: "select" },
    { kind: "exchange", data, into },
    { kind: "deselect" },
    { kind: "idle", bytes: 1 },
  ];
  await bridge.submit({ label: "exchange", segments }, deadlineIn(clock, 5000));
  return into;
}

/** What EchoDevice answers to `data`. */
function echoed(data: Uint8Array): Uint8Array {
  return Uint8Array.of(0xa5, ...data.subarray(0, -1));
}

describe("the driver on the model", () => {
  it.each([
    ["ft232h", "A", 512, "status"],
    ["ft232h", "A", 64, "nothing"],
    ["ft2232h", "B", 512, "nothing"],
    ["ft4232h", "A", 64, "status"],
  ] as const)(
    "starts a %s, channel %s, packets of %d, and exchanges",
    async (chip, channel, packetSize, flushWhenEmpty) => {
      const bench = rig({ chip, channel, packetSize, flushWhenEmpty });
      const bridge = await open(bench, channel);
      expect(bench.model.engine).toMatchObject({ frequencyHz: 400_000, cs: "high" });
      await bridge.configure({ frequencyHz: 30e6 });
      for (const length of [1, 62, 511, 1024, 5000]) {
        const data = pattern(length);
        expect(toHex(await exchange(bridge, bench.clock, data))).toBe(toHex(echoed(data)));
      }
      await bridge.close();
      expect(bench.model.violations).toEqual([]);
      expect(bench.model.engine.cs).toBe("high");
      expect(bench.spi.log.at(-1)).toBe("ff");
    },
  );

  it.each([
    ["ft4232h", "C"],
    ["ft232h", "B"],
  ] as const)("finds no MPSSE on a %s's channel %s", async (chip, channel) => {
    const bench = rig({ chip });
    await expect(
      openFtdi({ transport: bench.model.transport(0), clock: bench.clock, channel }),
    ).rejects.toMatchObject({ code: "BRIDGE_UNSUPPORTED" });
  });

  it("gets a chip going again that another program left in the middle of a command", async () => {
    const bench = rig();
    const rude = bench.model.transport(0);
    const until = deadlineIn(bench.clock, 1000);
    const setup = { requestType: 0x40, request: 0x0b, value: 0x0200, index: 1 };
    await rude.controlOut(setup, new Uint8Array(0), until);
    await rude.bulkOut(2, Uint8Array.of(0x80, 0x02, 0x0b, 0x89, 0x20, 0xff, 0xff), until).done;
    await rude.close();
    expect(bench.model.engine).toMatchObject({ stuck: true, cs: "low" });
    const bridge = await open(bench);
    const data = pattern(100);
    expect(toHex(await exchange(bridge, bench.clock, data))).toBe(toHex(echoed(data)));
    expect(bench.model.violations).toEqual([]);
    await bridge.close();
  });

  it("fails in its own words when the adapter is pulled, at every transfer", async () => {
    for (let index = 0; ; index++) {
      const bench = rig();
      bench.model.unplug(index);
      const outcome = await open(bench)
        .then(async (bridge) => {
          await exchange(bridge, bench.clock, pattern(1200));
          return "done";
        })
        .catch((error: { readonly code: string }) => error.code);
      if (outcome === "done" && bench.model.submitted === index) return;
      expect([index, outcome]).toEqual([index, "TRANSPORT_DISCONNECTED"]);
    }
  });

  it("ends by its deadlines, or succeeds, when any one transfer is lost", async () => {
    const whole = rig();
    await exchange(await open(whole), whole.clock, pattern(1200));
    const { outSubmitted, inSubmitted, controlSubmitted } = whole.model.counters;
    const counts = { out: outSubmitted, in: inSubmitted, control: controlSubmitted } as const;
    const allowed = ["done", "BRIDGE_TIMEOUT", "BRIDGE_SYNC", "BRIDGE_PROTOCOL"];
    for (const endpoint of ["out", "in", "control"] as const) {
      for (let transfer = 0; transfer < counts[endpoint]; transfer++) {
        const bench = rig();
        bench.model.inject({ kind: "drop", endpoint, transfer });
        const outcome = await open(bench)
          .then(async (bridge) => {
            const data = pattern(1200);
            const reply = await exchange(bridge, bench.clock, data);
            return toHex(reply) === toHex(echoed(data)) ? "done" : "wrong";
          })
          .catch((error: { readonly code: string }) => error.code);
        expect([endpoint, transfer, allowed.includes(outcome) ? "allowed" : outcome]).toEqual([
          endpoint,
          transfer,
          "allowed",
        ]);
      }
    }
  });
});
