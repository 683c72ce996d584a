import type { StepOutcome } from "../../../src/device/adapters/outcome.js";
import { startBridge } from "../../../src/device/doctor/start.js";
import type { BenchTarget } from "../../../src/device/doctor/types.js";
import { openAdapterDriver } from "../../../src/device/families.js";
import {
  createSimModel,
  linkOf,
  type SimModel,
  settingsOfSim,
} from "../../../src/device/sim-adapter.js";
import { parseSimOptions } from "../../../src/device/sim-options.js";
import { BadWire } from "../../../src/sim/bad-wire.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { silentLog } from "../../../src/util/log.js";

const SECTORS = 32_768;

/** Remembers the clock of the last byte. */
class Meter implements SpiDevice {
  lastHz = 0;
  readonly #spi: SpiDevice;

  constructor(spi: SpiDevice) {
    this.#spi = spi;
  }

  setCs(level: "high" | "low"): void {
    this.#spi.setCs(level);
  }

  exchange(...args: Parameters<SpiDevice["exchange"]>): void {
    this.lastHz = 8e6 / args[3].usPerByte;
    this.#spi.exchange(...args);
  }

  peek(atUs: number): number {
    return this.#spi.peek(atUs);
  }
}

const nothing = async (): Promise<StepOutcome> => ({ finding: "a model" });

/** A chip model with a card model behind it, by the options of a `sim:` string: reachable for faults, and alive between visits. */
export class ModelBench {
  readonly clock: SimClock = new SimClock();
  readonly card: SdCardModel;
  readonly adapter: SimModel;
  readonly #meter: Meter;
  readonly #options: ReturnType<typeof parseSimOptions>;

  constructor(options: Readonly<Record<string, string>> = {}, sectors: number = SECTORS) {
    const sim = parseSimOptions(options);
    this.#options = sim;
    this.card = createCardModel(new MemoryFlash(sectors), sim.card);
    this.#meter = new Meter(new BadWire(this.card, sim));
    this.adapter = createSimModel(sim, { clock: this.clock, spi: this.#meter });
  }

  /** The clock of the last byte, in Hz. */
  get lastHz(): number {
    return this.#meter.lastHz;
  }

  /** What host and chip did that they must not: of the card, and of the chip. */
  get violations(): readonly { readonly rule: string }[] {
    return [...this.card.violations, ...this.adapter.model.violations];
  }

  /** Found, opened and started again at each visit. */
  target(): BenchTarget {
    const { clock, adapter } = this;
    const settings = settingsOfSim(this.#options);
    let opened: { close(): Promise<void> } | undefined;
    const parts = (): Parameters<typeof openAdapterDriver> => [
      adapter.family,
      { link: linkOf(adapter), settings, clock, log: silentLog },
    ];
    return {
      name: "model",
      clock,
      log: silentLog,
      load: nothing,
      find: nothing,
      permission: nothing,
      kernelDriver: nothing,
      open: nothing,
      start: async () => {
        const started = await startBridge(...parts());
        opened = started.bridge;
        return started;
      },
      drive: async () => {
        const adapter = await openAdapterDriver(...parts());
        opened = adapter;
        return adapter;
      },
      close: async () => opened?.close(),
    };
  }
}
