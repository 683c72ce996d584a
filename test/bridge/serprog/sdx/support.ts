import { openSerprog } from "../../../../src/bridge/serprog/driver.js";
import type { SerprogOptions } from "../../../../src/bridge/serprog/options.js";
import type { SdxInfo } from "../../../../src/bridge/serprog/sdx/codec.js";
import { MemoryFlash } from "../../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../../src/sim/card/options.js";
import { SimClock } from "../../../../src/sim/clock.js";
import { type AdapterCardBus, pollsCard } from "../../../../src/spi/adapter-card-bus.js";
import type { SerialTransport } from "../../../../src/transport/types.js";
import { assert } from "../../../../src/util/errors.js";
import { SdxTestDevice } from "../../../support/sdx-device.js";
import { portTo } from "../fake-port.js";

const SECTORS = 131_072;

export interface SdxBenchOptions {
  readonly info?: Partial<SdxInfo>;
  readonly card?: Partial<CardModelOptions>;
  readonly stranger?: Uint8Array;
  readonly options?: SerprogOptions;
  /** Changes what comes to the device or to the host. */
  readonly toDevice?: (bytes: Uint8Array) => Uint8Array;
  readonly toHost?: (bytes: Uint8Array) => Uint8Array;
}

/** The test device with a card model, behind a port on a simulated clock. */
export class SdxBench {
  readonly clock: SimClock = new SimClock();
  readonly card: SdCardModel;
  readonly device: SdxTestDevice;
  readonly transport: SerialTransport;
  readonly #options: SdxBenchOptions;

  constructor(options: SdxBenchOptions = {}) {
    this.#options = options;
    this.card = createCardModel(new MemoryFlash(SECTORS), options.card ?? {});
    let toHost: (bytes: Uint8Array) => void = () => undefined;
    this.device = new SdxTestDevice({
      clock: this.clock,
      card: this.card,
      send: (bytes) => toHost(options.toHost?.(bytes) ?? bytes),
      ...(options.info === undefined ? {} : { info: options.info }),
      ...(options.stranger === undefined ? {} : { stranger: options.stranger }),
    });
    this.transport = portTo(this.clock, (bytes, answer) => {
      toHost = answer;
      this.device.receive(options.toDevice?.(bytes) ?? bytes);
    });
  }

  async open(): Promise<AdapterCardBus> {
    const { clock, transport } = this;
    const { options = {} } = this.#options;
    const bus = await openSerprog({ transport, clock, options });
    assert(pollsCard(bus), "it polls the card itself");
    return bus;
  }
}
