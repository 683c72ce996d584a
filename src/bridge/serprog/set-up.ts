import type { CsPin } from "../../spi/cs-trail.js";
import { BridgeError } from "../../spi/errors.js";
import type { Deadline } from "../../util/deadline.js";
import type { Log } from "../../util/log.js";
import {
  BUS_SPI,
  decodeNumber,
  encodeCommand,
  SERPROG,
  type SerprogCommand,
  SPI_MODE,
} from "./codec.js";
import { isRefusal, type SerprogLink } from "./link.js";
import { ASSUMED_FREQUENCY_HZ, IDENTIFY_HZ } from "./options.js";
import type { Programmer } from "./programmer.js";
import { encodeCsMode } from "./steps.js";

/**
 * CS is where it shall be before the pins are driven; and high, if it may be, before the mode changes: whoever was here before may have
 * left it low.
 */
export async function setUp(
  link: SerprogLink,
  { commands, full, setsPins }: Programmer,
  cs: CsPin,
  deadline: Deadline,
): Promise<void> {
  const wanted: SerprogCommand[] = [];
  if (commands.has(SERPROG.setBusType)) wanted.push(encodeCommand("setBusType", BUS_SPI));
  const modes = [encodeCommand("setSpiMode", SPI_MODE.fullDuplex), encodeCsMode(cs)];
  if (full) wanted.push(...(cs === "high" ? modes.reverse() : modes));
  if (setsPins) wanted.push(encodeCommand("setPinState", 1));
  await runAll(link, wanted, deadline);
}

export async function runAll(
  link: SerprogLink,
  commands: readonly SerprogCommand[],
  deadline: Deadline,
): Promise<void> {
  await Promise.all(commands.map((command) => link.run(command, deadline)));
}

/** The clock that the programmer chose: the next lower one, or its lowest. @throws BridgeError BRIDGE_PROTOCOL if that is none */
export async function askFrequency(
  link: SerprogLink,
  frequencyHz: number,
  deadline: Deadline,
): Promise<number> {
  const wanted = Math.max(1, Math.floor(frequencyHz));
  const set = decodeNumber(await link.run(encodeCommand("setSpiFrequency", wanted), deadline));
  if (set > 0) return set;
  throw new BridgeError("BRIDGE_PROTOCOL", "the programmer says that its clock is 0 Hz", {
    details: { opcode: SERPROG.setSpiFrequency, wanted },
  });
}

/** Undefined for a NAK: some firmware knows the command and does nothing. */
export async function askFirstFrequency(
  link: SerprogLink,
  deadline: Deadline,
): Promise<number | undefined> {
  try {
    return await askFrequency(link, IDENTIFY_HZ, deadline);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    link.restart();
    return undefined;
  }
}

export function logFrequency(log: Log, frequencyHz: number | undefined): void {
  if (frequencyHz === undefined)
    log.warn({ assumedHz: ASSUMED_FREQUENCY_HZ }, "the programmer's clock is fixed and not known");
  else if (frequencyHz > IDENTIFY_HZ)
    log.warn({ frequencyHz }, "the programmer's slowest clock is too fast to identify some cards");
}
