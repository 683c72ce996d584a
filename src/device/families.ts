import { type OpenedAdapter, pollsCard } from "../spi/adapter-card-bus.js";
import type { AdapterBridge } from "../spi/bridge.js";
import type { BridgeFamily, CassetteHeader } from "../transport/cassette.js";
import type { Clock } from "../util/clock.js";
import { assert } from "../util/errors.js";
import type { Log } from "../util/log.js";
import { type AdapterLink, hidOf, serialOf, usbOf } from "./link.js";

/** What a driver is told besides its transport; goes into a cassette, so that a replay tells it the same. */
export interface BridgeSettings {
  /** FTDI: `A` or `B`; absent: the chip's first. */
  readonly channel?: string;
  /** FTDI: MISO is wired to GPIOL1 too. */
  readonly hardwareWait?: boolean;
  /** CH341A: identification at the chip's own clock instead of bit-banging at 400 kHz. */
  readonly fastIdentification?: boolean;
  /** Serprog behind a UART. */
  readonly baudRate?: number;
  /** Own firmware as plain serprog: raw SPI, for those who look at single wires. */
  readonly raw?: boolean;
  /** Own firmware: deadlines are told to it rounded up, so that a recording can be replayed. */
  readonly coarseDeadlines?: boolean;
}

interface Parts {
  readonly link: AdapterLink;
  readonly settings: BridgeSettings;
  readonly clock: Clock;
  readonly log: Log;
}

const OPENERS: Readonly<Partial<Record<BridgeFamily, (parts: Parts) => Promise<OpenedAdapter>>>> = {
  ftdi: async ({ link, settings, clock, log }) => {
    const { openFtdi } = await import("../bridge/ftdi/driver.js");
    const { channel, hardwareWait = false } = settings;
    return openFtdi({
      transport: usbOf(link),
      clock,
      log,
      ...(channel === undefined ? {} : { channel }),
      options: { hardwareWait },
    });
  },
  ch341: async ({ link, settings, clock, log }) => {
    const { openCh341 } = await import("../bridge/ch341/driver.js");
    const { fastIdentification = false } = settings;
    return openCh341({ transport: usbOf(link), clock, log, options: { fastIdentification } });
  },
  ch347: async ({ link, clock, log }) => {
    const { openCh347 } = await import("../bridge/ch347/driver.js");
    return openCh347({ transport: usbOf(link), clock, log });
  },
  mcp2210: async ({ link, clock, log }) => {
    const { openMcp2210 } = await import("../bridge/mcp2210/driver.js");
    return openMcp2210({ transport: hidOf(link), clock, log });
  },
  serprog: async ({ link, settings, clock, log }) => {
    const { openPlainSerprog, openSerprog } = await import("../bridge/serprog/driver.js");
    const { baudRate, raw = false, coarseDeadlines = false } = settings;
    const options = { coarseDeadlines, ...(baudRate === undefined ? {} : { baudRate }) };
    const open = raw ? openPlainSerprog : openSerprog;
    return open({ transport: serialOf(link), clock, log, options });
  },
};

/**
 * Starts the driver of a bridge, which offers raw SPI or polls the card itself. The transport is the driver's from here on, and closed
 * if that fails.
 * @throws what the driver throws
 */
export function openAdapterDriver(family: BridgeFamily, parts: Parts): Promise<OpenedAdapter> {
  const open = OPENERS[family];
  assert(open !== undefined, `no driver for ${family}`);
  return open(parts);
}

/** The same, always as raw SPI: for who looks at the wires. */
export async function openBridge(family: BridgeFamily, parts: Parts): Promise<AdapterBridge> {
  const settings = { ...parts.settings, raw: true };
  const bridge = await openAdapterDriver(family, { ...parts, settings });
  assert(!pollsCard(bridge), "raw SPI was asked for");
  return bridge;
}

/** The settings that a recording was made with. */
export function settingsOf({ capabilities }: CassetteHeader): BridgeSettings {
  const { channel, hardwareWait, fastIdentification, baudRate, raw, coarseDeadlines } =
    capabilities;
  return {
    ...(typeof channel === "string" ? { channel } : {}),
    hardwareWait: hardwareWait === true,
    fastIdentification: fastIdentification === true,
    ...(typeof baudRate === "number" ? { baudRate } : {}),
    ...(raw === true ? { raw } : {}),
    ...(coarseDeadlines === true ? { coarseDeadlines } : {}),
  };
}
