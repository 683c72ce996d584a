import { describe, expect, test } from "@jest/globals";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { createDirectBridge } from "../../support/direct-bridge.js";
import { bench, cmd, failure } from "./bench.js";
import { ScriptCard } from "./script-card.js";

describe("chip select", () => {
  test("configure raises it first, and clocks on either side", async () => {
    const b = bench();
    await b.bus.command(cmd(13, 0, "R2"), b.in(100));
    expect(b.bridge.cs).toBe("low");
    const before = b.bridge.stats.spiBytes;
    expect(await b.bus.configure({ frequencyHz: 12e6 })).toEqual({ frequencyHz: 12e6 });
    expect(b.bridge.cs).toBe("high");
    expect(b.bridge.stats.spiBytes - before).toBe(2);
  });

  test("release and close raise it; release does so once", async () => {
    const b = bench();
    await b.bus.command(cmd(13, 0, "R2"), b.in(100));
    await b.bus.release(b.in(100));
    const steps = b.bridge.stats.roundTrips;
    await b.bus.release(b.in(100));
    expect(b.bridge.stats.roundTrips).toBe(steps);
    await b.bus.command(cmd(13, 0, "R2"), b.in(100));
    await b.bus.close();
    expect(b.bridge.cs).toBe("high");
    expect(b.card.violations).toEqual([]);
  });

  test("start-up clocks go out with it high", async () => {
    const b = bench();
    await b.bus.startUp(20, b.in(100));
    expect(b.bridge.cs).toBe("high");
    expect(b.bridge.stats.spiBytes).toBe(20);
  });

  test("wait selects the card by itself", async () => {
    const b = bench({ busy: 3000 });
    await failure(b.bus.command(cmd(38, 0, "R1b"), b.in(0.2)));
    await b.bus.wait(b.in(100));
    expect((await b.bus.command(cmd(13, 0, "R2"), b.in(100))).r1).toBe(0);
    expect(b.card.violations).toEqual([]);
  });

  test("wait gives up at the deadline", async () => {
    const b = bench({ busy: 4_000_000 });
    await failure(b.bus.command(cmd(38, 0, "R1b"), b.in(10)));
    expect((await failure(b.bus.wait(b.in(10)))).code).toBe("CARD_BUSY");
    b.bridge.faults.failStep = b.bridge.stats.roundTrips;
    expect((await failure(b.bus.wait(b.in(10)))).code).toBe("BRIDGE_PROTOCOL");
  });

  test("close closes the bridge also if the card cannot be released", async () => {
    const b = bench();
    b.bridge.faults.failStep = 0;
    await b.bus.close();
    expect(b.bridge.cs).toBe("high");
  });

  test("without clocks while it is high there is no start-up, and no 8 clocks either", async () => {
    const b = bench({}, { capabilities: { clocksWithCsHigh: false } });
    expect((await failure(b.bus.startUp(20, b.in(100)))).code).toBe("BRIDGE_UNSUPPORTED");
    await b.bus.release(b.in(100));
    expect(b.bridge.stats.spiBytes).toBe(0);
  });

  test("bridges that cannot hold it are refused", () => {
    const bridge = createDirectBridge({
      device: new ScriptCard(),
      capabilities: { csHold: false },
    });
    expect(() => createSpiModeBus({ bridge, clock: bridge.clock })).toThrow(
      expect.objectContaining({ code: "BRIDGE_UNSUPPORTED" }),
    );
  });
});
