import { type Ch341Model, createCh341Model } from "../sim/ch341/model.js";
import { type Ch347Model, createCh347Model } from "../sim/ch347/model.js";
import { createFtdiModel, type FtdiModel } from "../sim/ftdi/model.js";
import { createMcp2210Model, type Mcp2210Model } from "../sim/mcp2210/model.js";
import { createSerprogModel, type SerprogModel } from "../sim/serprog/model.js";
import type { SpiDevice } from "../sim/spi-device.js";
import type { Clock } from "../util/clock.js";
import { UsageError } from "../util/errors.js";
import type { BridgeSettings } from "./families.js";
import type { AdapterLink } from "./link.js";
import type { SimOptions } from "./sim-options.js";

/** A chip model, of whichever family. */
export type SimModel =
  | { readonly family: "ftdi"; readonly model: FtdiModel }
  | { readonly family: "ch341"; readonly model: Ch341Model }
  | { readonly family: "ch347"; readonly model: Ch347Model }
  | { readonly family: "mcp2210"; readonly model: Mcp2210Model }
  | { readonly family: "serprog"; readonly model: SerprogModel };

export interface SimAdapterParts {
  readonly clock: Clock;
  readonly spi: SpiDevice;
  /** Where the options do not say. */
  readonly roundTripUs?: number;
}

/** The adapter that the options of a `sim:` string name, with a device on its SPI pins. */
export function createSimModel(sim: SimOptions, parts: SimAdapterParts): SimModel {
  const { clock, spi } = parts;
  const roundTripUs = sim.roundTripUs ?? parts.roundTripUs;
  const { serialNumber } = sim;
  const common = {
    clock,
    spi,
    ...(roundTripUs === undefined ? {} : { roundTripUs }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
  switch (sim.chip) {
    case "ch341a":
      return { family: "ch341", model: createCh341Model(common) };
    case "ch347": {
      const { part, packetSize } = sim;
      return { family: "ch347", model: createCh347Model({ ...common, part, packetSize }) };
    }
    case "mcp2210":
      return { family: "mcp2210", model: createMcp2210Model(common) };
    case "serprog": {
      const board = sim.board === undefined ? {} : { board: sim.board };
      return { family: "serprog", model: createSerprogModel({ ...common, ...board }) };
    }
    case "mmcpstore":
      throw new UsageError("own firmware is a process of its own, and no model of a chip", {
        hint: "use it with -d 'sim:card.img?bridge=mmcpstore'",
      });
    default:
      return { family: "ftdi", model: ftdiModel(sim, common) };
  }
}

function ftdiModel(
  sim: SimOptions,
  common: Omit<Parameters<typeof createFtdiModel>[0], "chip">,
): FtdiModel {
  const { chip } = sim;
  return createFtdiModel({
    ...common,
    chip: chip === "ft2232h" || chip === "ft4232h" ? chip : "ft232h",
    packetSize: sim.packetSize,
    misoOnGpiol1: sim.hardwareWait !== undefined,
    waitGranularity: sim.hardwareWait ?? "byte",
  });
}

/** Claims it. @throws TransportError TRANSPORT_BUSY while it is claimed */
export function linkOf(adapter: SimModel): AdapterLink {
  switch (adapter.family) {
    case "ftdi":
    case "ch341":
      return { kind: "usb", transport: adapter.model.transport(0) };
    case "ch347":
      return { kind: "usb", transport: adapter.model.transport() };
    case "mcp2210":
      return { kind: "hid", transport: adapter.model.transport() };
    case "serprog":
      return { kind: "serial", transport: adapter.model.transport() };
  }
}

/** What a driver is told of it. */
export function settingsOfSim(sim: SimOptions): BridgeSettings {
  return {
    hardwareWait: sim.hardwareWait !== undefined,
    fastIdentification: sim.fastIdentification,
  };
}
