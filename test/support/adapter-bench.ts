import { openCard, type SdCard } from "../../src/card/sd-card.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import { openBridge } from "../../src/device/families.js";
import {
  createSimModel,
  linkOf,
  type SimModel,
  settingsOfSim,
} from "../../src/device/sim-adapter.js";
import { parseSimOptions, type SimOptions } from "../../src/device/sim-options.js";
import { parseDeviceSpec } from "../../src/device/spec.js";
import { MemoryFlash } from "../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../src/sim/card/model.js";
import { SimClock } from "../../src/sim/clock.js";
import type { AdapterBridge } from "../../src/spi/bridge.js";
import { assert } from "../../src/util/errors.js";
import { silentLog } from "../../src/util/log.js";

const SECTORS = 131_072;

/** One adapter of each family (and way of working), by its options of `sim:`. */
export const ADAPTER_BENCHES: readonly string[] = [
  "bridge=ft232h",
  "bridge=ft232h&wait=byte",
  "bridge=ft2232h",
  "bridge=ft4232h",
  "bridge=ch341a",
  "bridge=ch341a&ident=fast",
  "bridge=ch347",
  "bridge=ch347f",
  "bridge=mcp2210",
  "bridge=serprog",
  "bridge=serprog&board=pico-serprog&startup=lax",
  "bridge=serprog&board=stm32-vserprog&startup=lax",
];

/** A chip model of any family with a 64 MiB card model on its pins, named by the options of a `sim:` string. */
export class AdapterBench {
  readonly clock: SimClock;
  readonly sim: SimOptions;
  readonly card: SdCardModel;
  readonly adapter: SimModel;

  constructor(options: string, clock: SimClock = new SimClock()) {
    const spec = parseDeviceSpec(`sim:none?${options}`);
    assert(spec.kind === "sim", "it is a simulator");
    this.clock = clock;
    this.sim = parseSimOptions(spec.options);
    this.card = createCardModel(new MemoryFlash(SECTORS), this.sim.card);
    this.adapter = createSimModel(this.sim, { clock, spi: this.card });
  }

  async openBridge(): Promise<AdapterBridge> {
    return openBridge(this.adapter.family, {
      link: linkOf(this.adapter),
      settings: settingsOfSim(this.sim),
      clock: this.clock,
      log: silentLog,
    });
  }

  /** Driver and card; whoever closes the card closes the bridge. */
  async open(): Promise<{ readonly bridge: AdapterBridge; readonly card: SdCard }> {
    const bridge = await this.openBridge();
    const bus = createSpiModeBus({ bridge, clock: this.clock });
    try {
      return { bridge, card: await openCard({ bus, clock: this.clock }) };
    } catch (error) {
      await bus.close().catch(() => undefined);
      throw error;
    }
  }
}
