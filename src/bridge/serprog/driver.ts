import { describeFailure } from "../../spi/engine-errors.js";
import { SpiDriver } from "../../spi/spi-driver.js";
import type { SerialPortInfo } from "../../transport/types.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { silentLog } from "../../util/log.js";
import { SerprogEngine } from "./engine.js";
import { checkOptions, type SerprogBridge, type SerprogOpenOptions } from "./options.js";
import type { Programmer } from "./programmer.js";
import type { SdxCardBus } from "./sdx/card-bus.js";
import { openSdx } from "./sdx/open.js";
import { type StartedProgrammer, startProgrammer } from "./start-up.js";

export type { SerprogBridge, SerprogOpenOptions, SerprogOptions } from "./options.js";
export type { Programmer } from "./programmer.js";

const START_UP_MS = 6000;
const UNNAMED = "serprog";

/**
 * Starts a serprog programmer, as whatever it offers: the project's own firmware as a card bus that polls the card itself (docs/SPEC.md,
 * section 4), any other as raw SPI ({@link openPlainSerprog}).
 * @throws as {@link openPlainSerprog}
 */
export function openSerprog(open: SerprogOpenOptions): Promise<SerprogBridge | SdxCardBus> {
  return opened(open, async (started, deadline) => {
    const bus = await openSdx(open, started, deadline);
    return bus ?? (await plainBridge(open, started, deadline));
  });
}

/**
 * Starts a serprog programmer (flashrom serprog-protocol, version 1) as an SPI bridge, whatever else it can do: pins driven, CS high,
 * 400 kHz where it can be set. With S_SPI_MODE and S_CS_MODE it does everything; without them each transaction has to be one operation,
 * and `capabilities.operation` says how long that may be.
 * @throws BridgeError BRIDGE_SYNC (no serprog programmer answers), BRIDGE_UNSUPPORTED (another protocol version, no SPI),
 * BRIDGE_PROTOCOL, BRIDGE_TIMEOUT; TransportError; UsageError for options that make no sense
 */
export function openPlainSerprog(open: SerprogOpenOptions): Promise<SerprogBridge> {
  return opened(open, (started, deadline) => plainBridge(open, started, deadline));
}

/** The transport is closed if anything fails. */
async function opened<T>(
  open: SerprogOpenOptions,
  finish: (started: StartedProgrammer, deadline: Deadline) => Promise<T>,
): Promise<T> {
  const { transport, clock } = open;
  try {
    checkOptions(open.options ?? {});
    const deadline = open.deadline ?? deadlineIn(clock, START_UP_MS);
    return await finish(await startProgrammer(open, deadline), deadline);
  } catch (error) {
    await transport.close().catch(() => undefined);
    throw describeFailure(error, "start-up");
  }
}

async function plainBridge(
  open: SerprogOpenOptions,
  started: StartedProgrammer,
  deadline: Deadline,
): Promise<SerprogBridge> {
  const engine = await SerprogEngine.start(open, started, deadline);
  const { transport, log = silentLog } = open;
  const { name, full } = engine.programmer;
  log.info({ name, port: transport.port.path, fullDuplex: full }, "adapter ready");
  if (!full)
    log.warn(
      { name },
      "the programmer has no full duplex and no chip select hold (0x17, 0x18): each block is an operation of its own, no CMD18 and CMD25, and not every card works",
    );
  return new SerprogDriver(engine, open);
}

class SerprogDriver extends SpiDriver implements SerprogBridge {
  readonly chip: { readonly name: string };
  readonly programmer: Programmer;
  readonly port: SerialPortInfo;

  constructor(engine: SerprogEngine, open: SerprogOpenOptions) {
    super({ engine, clock: open.clock, log: open.log ?? silentLog });
    this.programmer = engine.programmer;
    this.chip = { name: engine.programmer.name || UNNAMED };
    this.port = open.transport.port;
  }
}
