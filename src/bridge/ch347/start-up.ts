import { isLate } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { UsbTransport } from "../../transport/types.js";
import { roundUp } from "../../util/bytes.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier, expired } from "../../util/deadline.js";
import { errorCode } from "../../util/errors.js";
import { CH347_IN } from "./chips.js";
import { encodeReadSettings, encodeSettings } from "./codec.js";
import type { Ch347Link } from "./link.js";
import { HEAD_BYTES, PAYLOAD_BYTES } from "./wire.js";

/** A frame of a read at the slowest clock takes 9 ms; silent for so long, the chip has none. */
const SILENCE_MS = 20;
/** More than all of a 16 MiB flash chip, which flashrom reads with one command: one that is killed meanwhile leaves the rest to us. */
const MOST_STALE_FRAMES = 40_000;
/** For the settings and their answers. */
const SETTINGS_MS = 250;
/** Half a command that was cut off, or an answer that came late, spoils one. */
const TRIES = 3;

const HINT = "unplug the adapter and plug it in again; make sure that no other program uses it";

/**
 * Fetches answers that nobody has waited for: the rest of a read that was aborted, or of a program before.
 * @throws BridgeError BRIDGE_SYNC if it does not fall silent; TransportError
 */
async function drain(transport: UsbTransport, clock: Clock, deadline: Deadline): Promise<void> {
  const length = roundUp(HEAD_BYTES + PAYLOAD_BYTES, transport.packetSize(CH347_IN));
  for (let frames = 0; frames < MOST_STALE_FRAMES && !expired(clock, deadline); frames++) {
    const until = earlier(deadline, deadlineIn(clock, SILENCE_MS));
    try {
      await transport.bulkIn(CH347_IN, length, until).done;
    } catch (error) {
      if (isLate(error)) return;
      throw error;
    }
  }
  throw new BridgeError("BRIDGE_SYNC", "the adapter talks without being asked", { hint: HINT });
}

/**
 * Brings host and chip in step, whatever was before, and sets the chip up; CS stays where it is.
 *
 * The settings are read before they are written, as the maker's library and ufprog do: a chip that takes a command for the rest of another
 * one shows it here, where nothing is lost.
 * @throws BridgeError BRIDGE_SYNC if the chip does not answer, BRIDGE_PROTOCOL if it answers something else; TransportError
 */
export async function synchronise(
  link: Ch347Link,
  transport: UsbTransport,
  clockIndex: number,
  clock: Clock,
  deadline: Deadline,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const commands = [encodeReadSettings(), encodeSettings(clockIndex)];
    link.restart();
    try {
      await drain(transport, clock, deadline);
      const until = earlier(deadline, deadlineIn(clock, SETTINGS_MS));
      await link.run({ commands, replyBytes: 0 }, until);
      return;
    } catch (error) {
      await link.stop(error);
      const maybe = isLate(error) || errorCode(error) === "BRIDGE_PROTOCOL";
      if (maybe && attempt < TRIES && !expired(clock, deadline)) continue;
      throw isLate(error) ? silent(error) : error;
    }
  }
}

function silent(cause: unknown): BridgeError {
  return new BridgeError("BRIDGE_SYNC", "the adapter does not answer", { cause, hint: HINT });
}
