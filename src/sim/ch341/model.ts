import { type BulkModel, BulkModelBase } from "../usb/bulk-model.js";
import { Ch341Chip } from "./chip.js";
import { type Ch341ModelOptions, type Ch341Settings, settingsOf } from "./options.js";
import type { Ch341Violation, Report } from "./violations.js";

export type { UsbCounts } from "../usb/counters.js";
export type { UsbFault } from "../usb/faults.js";
export type { Ch341ModelOptions } from "./options.js";
export type { Ch341Rule, Ch341Violation } from "./violations.js";

/** What a caller may see of the chip itself. */
export interface Ch341EngineView {
  readonly cs: "high" | "low";
  /** It hangs until it is unplugged. */
  readonly wedged: boolean;
  /** Bytes clocked on the SPI pins since power-on. */
  readonly spiBytes: number;
}

/** A CH341A at the level of USB transfers. */
export interface Ch341Model extends BulkModel {
  /** Rules of the chip that its host broke, in order. */
  readonly violations: readonly Ch341Violation[];
  readonly engine: Ch341EngineView;
}

const PACKET_BYTES = 32;

class Model extends BulkModelBase<Ch341Chip> implements Ch341Model {
  readonly #violations: Ch341Violation[];

  constructor(settings: Ch341Settings) {
    const violations: Ch341Violation[] = [];
    const report: Report = (rule, atUs, message) => {
      violations.push({ rule, atUs, message });
    };
    super({
      ...settings,
      packetSize: PACKET_BYTES,
      interfaceNumber: 0,
      endpoints: { out: 0x02, in: 0x82 },
      powerOn: () => new Ch341Chip(settings, report),
      oddInLength: (length, atUs) =>
        report("in-length", atUs, `IN of ${length} bytes, packets of ${PACKET_BYTES}`),
    });
    this.#violations = violations;
  }

  get violations(): readonly Ch341Violation[] {
    this.catchUp();
    return this.#violations;
  }

  get engine(): Ch341EngineView {
    const { cs, wedged, clockedBytes } = this.chip;
    return { cs, wedged, spiBytes: clockedBytes };
  }
}

/**
 * A model of one CH341A on a USB bus, with an SPI device (a card model) on its pins. Runs on the
 * given clock: in no time on a simulated one, in real time on a real one.
 */
export function createCh341Model(options: Ch341ModelOptions): Ch341Model {
  return new Model(settingsOf(options));
}
