import { clockHz } from "../../bridge/ch347/decoder.js";
import { type BulkModel, BulkModelBase } from "../usb/bulk-model.js";
import { Ch347Chip } from "./chip.js";
import {
  type Ch347ModelOptions,
  type Ch347Part,
  type Ch347Settings,
  settingsOf,
} from "./options.js";
import type { Ch347Violation, Report } from "./violations.js";

export type { UsbCounts } from "../usb/counters.js";
export type { UsbFault } from "../usb/faults.js";
export type { Ch347ModelOptions, Ch347Part } from "./options.js";
export type { Ch347Rule, Ch347Violation } from "./violations.js";

/** What a caller may see of the chip itself. */
export interface Ch347EngineView {
  readonly cs: "high" | "low";
  readonly frequencyHz: number;
  /** Bytes clocked on the SPI pins since power-on. */
  readonly spiBytes: number;
}

/** A CH347 at the level of USB transfers: its SPI interface. */
export interface Ch347Model extends BulkModel {
  readonly part: Ch347Part;
  /** Rules of the chip that its host broke, in order. */
  readonly violations: readonly Ch347Violation[];
  readonly engine: Ch347EngineView;
}

class Model extends BulkModelBase<Ch347Chip> implements Ch347Model {
  readonly part: Ch347Part;
  readonly #violations: Ch347Violation[];

  constructor(settings: Ch347Settings) {
    const violations: Ch347Violation[] = [];
    const report: Report = (rule, atUs, message) => {
      violations.push({ rule, atUs, message });
    };
    super({
      ...settings,
      endpoints: { out: 0x06, in: 0x86 },
      powerOn: () => new Ch347Chip(settings, report),
      oddInLength: (length, atUs) =>
        report("in-length", atUs, `IN of ${length} bytes, packets of ${settings.packetSize}`),
    });
    this.part = settings.part;
    this.#violations = violations;
  }

  get violations(): readonly Ch347Violation[] {
    this.catchUp();
    return this.#violations;
  }

  get engine(): Ch347EngineView {
    const { cs, clockedBytes, settings } = this.chip.port;
    return { cs, frequencyHz: clockHz(settings.clockIndex), spiBytes: clockedBytes };
  }
}

/**
 * A model of one CH347 on a USB bus, with an SPI device (a card model) on its pins. Runs on the
 * given clock: in no time on a simulated one, in real time on a real one.
 */
export function createCh347Model(options: Ch347ModelOptions): Ch347Model {
  return new Model(settingsOf(options));
}
