import { describe, expect, test } from "@jest/globals";
import { openCard, type SdCard } from "../../src/card/sd-card.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import { isMmcpstoreError } from "../../src/util/errors.js";
import { createRandom } from "../../src/util/random.js";
import { createDirectBridge, ManualClock } from "../support/direct-bridge.js";

/** A line that no card drives, or that something else does. */
function line(byte: () => number): SpiDevice {
  return {
    setCs: () => undefined,
    exchange: (_mosi, miso, length) => {
      for (let at = 0; at < length && miso !== undefined; at++) miso[at] = byte();
    },
    peek: byte,
  };
}

function open(device: SpiDevice, clock: ManualClock): Promise<SdCard> {
  const bridge = createDirectBridge({ device, clock });
  return openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
}

describe("no card on the wires, through the whole card layer", () => {
  test.each([
    ["high", 0xff],
    ["low", 0x00],
  ])("MISO %s all the time is CARD_ABSENT, and the message says so", async (level, byte) => {
    const clock = new ManualClock();
    await expect(
      open(
        line(() => byte),
        clock,
      ),
    ).rejects.toMatchObject({
      code: "CARD_ABSENT",
      message: expect.stringContaining(`MISO stays ${level}`),
      hint: expect.stringMatching(/MISO/),
      details: { miso: level },
    });
    expect(clock.nowUs()).toBeLessThan(5e6);
  });

  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    "noise, seed %s: a card error in bounded time",
    async (seed) => {
      const clock = new ManualClock();
      const random = createRandom(Uint8Array.of(seed));
      let noise = new Uint8Array(0);
      let at = 0;
      const next = (): number => {
        if (at === noise.length) {
          noise = new Uint8Array(random(4096));
          at = 0;
        }
        return noise[at++] ?? 0;
      };
      const failure: unknown = await open(line(next), clock).catch((error: unknown) => error);
      expect(isMmcpstoreError(failure) && failure.code).toMatch(/^(CARD|BRIDGE)_/);
      expect(clock.nowUs()).toBeLessThan(20e6);
    },
  );
});
