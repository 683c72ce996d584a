import { describe, expect, test } from "@jest/globals";
import { openPlainSerprog } from "../../../src/bridge/serprog/driver.js";
import { openCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel } from "../../../src/sim/card/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import { createSerprogModel } from "../../../src/sim/serprog/model.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import type { Timer } from "../../../src/util/clock.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { pattern } from "./support.js";

const STEP_US = 1000;
/** S_PIN_STATE 1; O_SPIOP, two bytes back; Q_IFACE. */
const PINS_ON: Uint8Array = fromHex("15 01");
const READ_TWO: Uint8Array = fromHex("13 00 00 00 02 00 00");
const QUERY_INTERFACE: Uint8Array = fromHex("01");

/** As the timers of a real process: late, up to the next millisecond, and those of one millisecond in any order: here backwards. */
class CoarseClock extends SimClock {
  readonly #due: Map<number, (() => void)[]> = new Map();

  override timer(us: number, fire: () => void): Timer {
    const atUs = Math.ceil((this.nowUs() + us) / STEP_US) * STEP_US;
    const waiting = this.#due.get(atUs);
    let cancelled = false;
    const run = (): void => {
      if (!cancelled) fire();
    };
    if (waiting === undefined) this.#begin(atUs, run);
    else waiting.push(run);
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }

  #begin(atUs: number, first: () => void): void {
    const waiting = [first];
    this.#due.set(atUs, waiting);
    super.timer(atUs - this.nowUs(), () => {
      this.#due.delete(atUs);
      for (const run of waiting.reverse()) run();
    });
  }
}

describe("a board on a clock like that of a real process", () => {
  test.each(["full", "stm32-vserprog"] as const)(
    "%s: bytes stay in order, and a command waits for the answer of the one before",
    async (board) => {
      const clock = new CoarseClock();
      const card = createCardModel(new MemoryFlash(131_072), { requireStartUpClocks: false });
      const model = createSerprogModel({ spi: card, board, clock, roundTripUs: 0 });
      const bridge = await openPlainSerprog({ transport: model.transport(), clock });
      const opened = await openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
      const data = pattern(24 * 512);
      await opened.write(2048, data);
      const into = new Uint8Array(data.length);
      await opened.read(2048, into);
      expect(Buffer.compare(into, data)).toBe(0);
      await opened.close();
      expect(model.violations).toEqual([]);
    },
  );

  test("a command that comes when an operation is over, but not answered yet, waits for that answer", async () => {
    const clock = new CoarseClock();
    const spi = createCardModel(new MemoryFlash(131_072), {});
    const port = createSerprogModel({ spi, clock, roundTripUs: 0 }).transport();
    const deadline = deadlineIn(clock, 1000);
    await port.write(PINS_ON, deadline);
    expect(await port.read(1, deadline)).toEqual(Uint8Array.of(0x06));
    const operating = port.write(READ_TWO, deadline);
    await clock.sleep(STEP_US / 2);
    const asking = port.write(QUERY_INTERFACE, deadline);
    expect(toHex(await port.read(3 + 3, deadline))).toBe("06ffff060100");
    await Promise.all([operating, asking]);
  });
});
