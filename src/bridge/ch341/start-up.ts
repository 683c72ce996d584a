import type { CsPin } from "../../spi/cs-trail.js";
import { isLate } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier } from "../../util/deadline.js";
import { CH341_IN } from "./chips.js";
import { encodeProbe, encodeReadPins, encodeSetUp, type Packet } from "./codec.js";
import type { Ch341Link } from "./link.js";
import { PACKET_BYTES } from "./wire.js";

/** An answer that is ready comes within two frames of the bus; silent for so long, the chip has none. */
const SILENCE_MS = 20;
/** The chip holds four answers; more than this is no chip that waits for commands. */
const MOST_STALE_PACKETS = 64;
/** For one small packet and its answer. */
const PROBE_MS = 250;

const HINT = "unplug the adapter and plug it in again; make sure that no other program uses it";

/**
 * Fetches answers that nobody has waited for: of a program before, or of packets that an abort could not take back.
 * @throws BridgeError BRIDGE_SYNC if it does not fall silent; TransportError
 */
export async function drain(
  transport: UsbTransport,
  clock: Clock,
  deadline: Deadline,
): Promise<void> {
  for (let packets = 0; packets < MOST_STALE_PACKETS; packets++) {
    const until = earlier(deadline, deadlineIn(clock, SILENCE_MS));
    const transfer = transport.bulkIn(CH341_IN, PACKET_BYTES, until);
    try {
      await transfer.done;
    } catch (error) {
      if (isLate(error)) return;
      throw error;
    }
  }
  throw new BridgeError("BRIDGE_SYNC", "the adapter talks without being asked", { hint: HINT });
}

/**
 * Sets up the chip and its pins.
 * @throws BridgeError BRIDGE_SYNC if it does not take that; TransportError
 */
export async function setUp(
  link: Ch341Link,
  cs: CsPin,
  clock: Clock,
  deadline: Deadline,
): Promise<void> {
  await answering(link.run(encodeSetUp(cs), shortly(clock, deadline)));
}

/**
 * Clocks one byte, whatever CS is, and expects one back.
 * @throws BridgeError BRIDGE_SYNC if nothing comes, BRIDGE_PROTOCOL if more does; TransportError
 */
export async function probe(link: Ch341Link, clock: Clock, deadline: Deadline): Promise<void> {
  await answering(ask(link, encodeProbe(), clock, deadline));
}

/**
 * Levels of D0 to D7; undefined if the adapter does not answer reads of its pins, as some clones do not. The link is in step
 * in either case.
 */
export async function readPins(
  link: Ch341Link,
  clock: Clock,
  deadline: Deadline,
): Promise<number | undefined> {
  try {
    return await ask(link, encodeReadPins(), clock, deadline);
  } catch (error) {
    if (!isLate(error)) throw error;
    await link.stop(error);
    link.restart();
    return undefined;
  }
}

async function answering<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isLate(error) ? silent(error) : error;
  }
}

/** The adapter answers nothing. */
export function silent(cause?: unknown): BridgeError {
  return new BridgeError("BRIDGE_SYNC", "the adapter does not answer", { cause, hint: HINT });
}

/** One that cannot be clocked slowly. */
export function noPinReads(): BridgeError {
  return new BridgeError(
    "BRIDGE_UNSUPPORTED",
    "this adapter does not answer reads of its pins (a clone of the CH341A): it cannot clock a card at 400 kHz or less",
    { hint: "identify cards at its full clock instead (fastIdentification): most cards bear that" },
  );
}

/** The one byte that answers a packet: MISO of a probe, or the pins. */
async function ask(
  link: Ch341Link,
  packet: Packet,
  clock: Clock,
  deadline: Deadline,
): Promise<number> {
  const script = { packets: [packet], replyBytes: 1 };
  const [byte = 0] = await link.run(script, shortly(clock, deadline));
  return byte;
}

function shortly(clock: Clock, deadline: Deadline): Deadline {
  return earlier(deadline, deadlineIn(clock, PROBE_MS));
}
