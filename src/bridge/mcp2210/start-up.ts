import { isLate } from "../../spi/engine-errors.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier, expired } from "../../util/deadline.js";
import {
  CS_PIN,
  encodeChipSettings,
  encodeDirections,
  encodePins,
  encodePlain,
  withCsPin,
} from "./codec.js";
import { decodeAnswer } from "./decoder.js";
import type { Mcp2210Link } from "./link.js";
import { busNotAvailable, noChipSelect, noSync } from "./link-errors.js";
import { BUS_OWNER, COMMAND } from "./reports.js";

/** Longer than an answer takes: what has not come by then belongs to nobody. */
const QUIET_MS = 30;
/** A chip answers each report once; more than a few leftovers is no chip. */
const MAX_LEFTOVERS = 64;
const SYNC_TRY_MS = 200;
const MAX_SYNC_TRIES = 5;

/**
 * Drops answers that nobody waits for, ends whatever transfer is going on (11), and makes sure that the chip answers what it is asked (10).
 * @throws BridgeError BRIDGE_SYNC if it does not, BRIDGE_PROTOCOL if another master has the SPI bus
 */
export async function resynchronise(
  link: Mcp2210Link,
  clock: Clock,
  deadline: Deadline,
): Promise<void> {
  await drain(link, clock, deadline);
  // Of a command sent twice, the second answer may still come.
  if ((await cancelTransfer(link, clock, deadline)) > 1) await drain(link, clock, deadline);
  const { chip } = await link.ask(encodePlain("status"), "status", deadline);
  if (chip.busOwner === BUS_OWNER.external) throw busNotAvailable(COMMAND.status);
}

async function drain(link: Mcp2210Link, clock: Clock, deadline: Deadline): Promise<void> {
  for (let leftovers = 0; leftovers < MAX_LEFTOVERS; leftovers++) {
    const until = earlier(deadline, deadlineIn(clock, QUIET_MS));
    if ((await receiveUntil(link, until)) === undefined) return;
  }
  throw noSync("sends without end");
}

/** Asks until it is answered; returns how often. */
async function cancelTransfer(
  link: Mcp2210Link,
  clock: Clock,
  deadline: Deadline,
): Promise<number> {
  for (let tries = 1; tries <= MAX_SYNC_TRIES && !expired(clock, deadline); tries++) {
    const until = earlier(deadline, deadlineIn(clock, SYNC_TRY_MS));
    await link.send(encodePlain("cancel"), until).catch(ignoreLate);
    if (await answered(link, COMMAND.cancel, until)) return tries;
  }
  throw noSync("does not answer as an MCP2210 does");
}

/** True once an answer to `command` has come, whatever came before it. */
async function answered(link: Mcp2210Link, command: number, until: Deadline): Promise<boolean> {
  for (let leftovers = 0; leftovers < MAX_LEFTOVERS; leftovers++) {
    const bytes = await receiveUntil(link, until);
    if (bytes === undefined) return false;
    const answer = decodeAnswer(bytes);
    if (answer.kind === "status" && answer.command === command) return true;
  }
  throw noSync("sends without end");
}

async function receiveUntil(link: Mcp2210Link, until: Deadline): Promise<Uint8Array | undefined> {
  return link.receive(until).catch((error: unknown) => {
    ignoreLate(error);
    return undefined;
  });
}

function ignoreLate(error: unknown): void {
  if (!isLate(error)) throw error;
}

/**
 * Makes GP0 an output that is high, until the next power-on; the non-volatile settings are never touched. All other pins stay what
 * they are. Returns the levels of all pins.
 * @throws BridgeError BRIDGE_PROTOCOL if the chip does not take it
 */
export async function setUpPins(link: Mcp2210Link, deadline: Deadline): Promise<number> {
  const { settings } = await link.ask(encodePlain("getChipSettings"), "chipSettings", deadline);
  const { bits: now } = await link.ask(encodePlain("getPins"), "pins", deadline);
  const { bits: inputs } = await link.ask(encodePlain("getDirections"), "pins", deadline);
  // The settings say how the pins began; what has been done to them since must not be undone.
  const outputs = (now & ~inputs) | (settings.outputs & inputs);
  const current = withCsPin({ ...settings, outputs, directions: inputs });
  await link.ask(encodeChipSettings(current), "acknowledged", deadline);
  const levels = now | CS_PIN;
  await link.ask(encodePins(levels), "acknowledged", deadline);
  await link.ask(encodeDirections(current.directions), "acknowledged", deadline);
  const set = await link.ask(encodePlain("getDirections"), "pins", deadline);
  if (set.bits & CS_PIN) throw noChipSelect(set.bits);
  return levels;
}
