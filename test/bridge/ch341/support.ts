import {
  type Ch341Bridge,
  type Ch341Options,
  openCh341,
} from "../../../src/bridge/ch341/driver.js";
import {
  type Ch341Model,
  type Ch341ModelOptions,
  createCh341Model,
} from "../../../src/sim/ch341/model.js";
import { BulkBench } from "../bulk-bench.js";

/** A CH341A model with a device on its pins, and the driver over it. */
export class Bench extends BulkBench<Ch341Model, Ch341Bridge> {
  constructor(chip: Partial<Ch341ModelOptions> = {}, options: Ch341Options = {}) {
    super(
      (parts) => createCh341Model({ ...chip, ...parts }),
      (transport, clock) => openCh341({ transport, clock, options }),
    );
  }
}
