import { BridgeError } from "../../spi/errors.js";
import type { Deadline } from "../../util/deadline.js";
import { bitRateOf, divisorFor, encodePlain, encodeSpiSettings, spiSettings } from "./codec.js";
import type { Mcp2210Link } from "./link.js";

/** Which steps between 12 MHz and 1 MHz the chip has is not documented; it has one among so many. */
const MAX_TRIES = 32;

/** A clock that the chip was seen to set. */
export interface Rate {
  readonly wantedHz: number;
  /** What it has to be asked for, again, with every change of the settings. */
  readonly askedHz: number;
  /** What it said that it is. */
  readonly frequencyHz: number;
}

/**
 * Sets the clock to the highest the chip has that is not above `frequencyHz`. The chip rounds what it is asked for, and does not say which
 * way: so it is read back, and asked for less until it fits.
 * @throws UsageError below 1500 Hz; BridgeError BRIDGE_PROTOCOL if the chip does not go that low
 */
export async function setRate(
  link: Mcp2210Link,
  frequencyHz: number,
  bytesPerTransaction: number,
  deadline: Deadline,
): Promise<Rate> {
  const first = divisorFor(frequencyHz);
  for (let divisor = first; divisor < first + MAX_TRIES; divisor++) {
    const askedHz = bitRateOf(divisor);
    const asked = spiSettings(askedHz, bytesPerTransaction);
    await link.ask(encodeSpiSettings(asked), "acknowledged", deadline);
    const { settings } = await link.ask(encodePlain("getSpiSettings"), "spiSettings", deadline);
    const sane =
      settings.mode === asked.mode && settings.bytesPerTransaction === bytesPerTransaction;
    if (!sane || settings.bitRateHz === 0) throw notTaken(frequencyHz, settings.bitRateHz);
    if (settings.bitRateHz <= frequencyHz)
      return { wantedHz: frequencyHz, askedHz, frequencyHz: settings.bitRateHz };
  }
  throw notTaken(frequencyHz, undefined);
}

function notTaken(frequencyHz: number, setHz: number | undefined): BridgeError {
  return new BridgeError(
    "BRIDGE_PROTOCOL",
    `the MCP2210 does not take the SPI settings for ${frequencyHz} Hz`,
    { details: { frequencyHz, ...(setHz === undefined ? {} : { setHz }) } },
  );
}
