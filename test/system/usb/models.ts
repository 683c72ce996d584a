/** Chip models as the benches export them: without a round trip of their own, for the connection is one. */
import { createCh341Model } from "../../../src/sim/ch341/model.js";
import { createCh347Model } from "../../../src/sim/ch347/model.js";
import type { Ch347ModelOptions } from "../../../src/sim/ch347/options.js";
import { createFtdiModel } from "../../../src/sim/ftdi/model.js";
import type { FtdiModelOptions } from "../../../src/sim/ftdi/options.js";
import { createMcp2210Model } from "../../../src/sim/mcp2210/model.js";
import { createSerprogModel } from "../../../src/sim/serprog/model.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import {
  exportCh341,
  exportCh347,
  exportFtdi,
  exportMcp2210,
  exportSerprog,
} from "../../../src/sim/usbip/exported-device.js";
import type { Clock } from "../../../src/util/clock.js";
import type { BenchDevice } from "./bridges.js";

const roundTripUs = 0;
/** An emulated kernel is slow to post the next IN transfer. */
const stallGraceUs = 60_000_000;

export function ftdi(options: FtdiModelOptions): BenchDevice {
  const model = createFtdiModel({ ...options, roundTripUs, stallGraceUs });
  return { model, exported: exportFtdi(model) };
}

/** `answersHeld`: with more, and no IN transfer posted, the chip hangs. */
export function ch341(clock: Clock, spi: SpiDevice, answersHeld?: number): BenchDevice {
  const held = answersHeld === undefined ? {} : { answersHeld };
  const model = createCh341Model({ clock, spi, roundTripUs, ...held });
  return { model, exported: exportCh341(model) };
}

export function ch347(
  options: Ch347ModelOptions & { readonly part: "ch347t" | "ch347f" },
): BenchDevice {
  const model = createCh347Model({ ...options, roundTripUs });
  return { model, exported: exportCh347(model, options.part) };
}

export function mcp2210(clock: Clock, spi: SpiDevice): BenchDevice {
  const model = createMcp2210Model({ clock, spi, roundTripUs });
  return { model, exported: exportMcp2210(model, clock) };
}

export function serprog(clock: Clock, spi: SpiDevice): BenchDevice {
  const model = createSerprogModel({ clock, spi, roundTripUs });
  return { model, exported: exportSerprog(model, clock) };
}
