import { type Ch347Bridge, openCh347 } from "../../../src/bridge/ch347/driver.js";
import {
  type Ch347Model,
  type Ch347ModelOptions,
  createCh347Model,
} from "../../../src/sim/ch347/model.js";
import { BulkBench } from "../bulk-bench.js";

/** A CH347 model with a device on its pins, and the driver over it. */
export class Bench extends BulkBench<Ch347Model, Ch347Bridge> {
  constructor(options: Partial<Ch347ModelOptions> = {}) {
    super(
      (parts) => createCh347Model({ ...options, ...parts }),
      (transport, clock) => openCh347({ transport, clock }),
    );
  }
}
