import { describe, expect, it } from "@jest/globals";
import {
  checkMiso,
  judgeMiso,
  lookAtMiso,
  type MisoLook,
} from "../../../src/device/doctor/miso.js";
import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { createDirectBridge, ManualClock } from "../../support/direct-bridge.js";

/** MISO as a function of CS, MOSI and the number of the byte. */
class Pin implements SpiDevice {
  readonly #byte: (cs: "high" | "low", mosi: number, at: number) => number;
  #cs: "high" | "low" = "high";
  #at = 0;

  constructor(byte: (cs: "high" | "low", mosi: number, at: number) => number) {
    this.#byte = byte;
  }

  setCs(level: "high" | "low"): void {
    this.#cs = level;
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    _timing: ByteTiming,
  ): void {
    for (let at = 0; at < length; at++) {
      const byte = this.#byte(this.#cs, mosi?.[at] ?? 0xff, this.#at++);
      if (miso !== undefined) miso[at] = byte;
    }
  }

  peek(): number {
    return this.#byte(this.#cs, 0xff, this.#at);
  }
}

function bench(byte: ConstructorParameters<typeof Pin>[0]) {
  const clock = new ManualClock();
  const bridge = createDirectBridge({ device: new Pin(byte), clock, frequencyHz: 400_000 });
  return { clock, bridge, deadline: deadlineIn(clock, 10_000) };
}

describe("looking at MISO", () => {
  const Looks: readonly (readonly [
    string,
    ConstructorParameters<typeof Pin>[0],
    MisoLook,
    string | undefined,
  ])[] = [
    ["pulled up", () => 0xff, { released: "ones", selected: "ones", follows: false }, undefined],
    [
      "shorted to ground",
      () => 0,
      { released: "zeros", selected: "zeros", follows: false },
      "CARD_ABSENT",
    ],
    [
      "without a pull-up, driven by a card",
      (cs) => (cs === "low" ? 0xff : 0),
      { released: "zeros", selected: "ones", follows: false },
      "CARD_CRC",
    ],
    [
      "wired to MOSI",
      (_cs, mosi) => mosi,
      { released: "ones", selected: "ones", follows: true },
      "CARD_CRC",
    ],
    [
      "floating while nobody drives it",
      (cs, _mosi, at) => (cs === "low" ? 0xff : (at * 37) & 0xff),
      { released: "mixed", selected: "ones", follows: false },
      "CARD_CRC",
    ],
    [
      "driven by a card in the middle of a transfer",
      (cs, _mosi, at) => (cs === "low" ? (at * 37) & 0xff : 0xff),
      { released: "ones", selected: "mixed", follows: false },
      undefined,
    ],
  ];

  it.each(Looks)("%s", async (_, byte, look, code) => {
    const { bridge, clock, deadline } = bench(byte);
    expect(await lookAtMiso(bridge, deadline)).toEqual(look);
    expect((await checkMiso(bridge, clock, deadline)).failure?.code).toBe(code);
  });

  it("noise whatever CS is ends the visit", async () => {
    const { bridge, clock, deadline } = bench((_cs, _mosi, at) => (at * 37) & 0xff);
    await expect(checkMiso(bridge, clock, deadline)).rejects.toMatchObject({ code: "CARD_CRC" });
  });

  it("waits for a card that is busy, and says for how long", async () => {
    const { bridge, clock, deadline } = bench((cs, _mosi, at) =>
      cs === "low" && at < 400 ? 0x00 : 0xff,
    );
    const outcome = await checkMiso(bridge, clock, deadline);
    expect([outcome.failure, outcome.finding]).toEqual([
      undefined,
      expect.stringMatching(/the card was busy for \d+ ms/),
    ]);
  });

  it("does not wait for ever", async () => {
    const { bridge, clock, deadline } = bench((cs) => (cs === "low" ? 0 : 0xff));
    const outcome = await checkMiso(bridge, clock, deadline);
    expect(outcome.failure).toMatchObject({ code: "CARD_BUSY", hint: /power away/ });
    expect(clock.nowUs()).toBeLessThan(1_500_000);
  });

  it("tells a read of zeros that nobody ended from a busy card", async () => {
    let sent = 0;
    const { bridge, clock, deadline } = bench((cs) => {
      if (cs === "high") return 0xff;
      return sent++ % 600 === 599 ? 0xfe : 0;
    });
    expect((await checkMiso(bridge, clock, deadline)).failure).toBeUndefined();
  });
});

describe("an adapter that cannot look while CS is high", () => {
  it.each([
    ["ones", undefined],
    ["mixed", "CARD_CRC"],
    ["zeros", "CARD_ABSENT"],
  ] as const)("%s", (selected, code) => {
    const outcome = judgeMiso({ released: undefined, selected, follows: false });
    expect(outcome.failure?.code).toBe(code);
    expect(outcome.failure?.hint ?? "pull-up").toContain("pull-up");
  });
});
