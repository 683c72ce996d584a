import { describeFailure } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { Deadline } from "../../util/deadline.js";
import { encodeLoopback } from "./codec.js";
import type { MpsseLink } from "./mpsse-link.js";

/** Around the packet payloads of full and high speed (62, 510), and more than the smallest FIFO holds (1024). */
export const SELF_TEST_LENGTHS: readonly number[] = [1, 62, 63, 510, 511, 1024, 1500];

/** Prime, and no divisor of a packet's payload or a FIFO: a packet lost or doubled shows. */
const PATTERN_PERIOD = 251;
/** Chosen so that a card still in its native mode, which sees SK and DO, finds no command frame in it (tested). */
const PATTERN_SEED = 14;

/** Bytes that show a lost, doubled or moved one. */
export function selfTestPattern(length: number): Uint8Array {
  let state = PATTERN_SEED;
  const period = Uint8Array.from({ length: PATTERN_PERIOD }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  return Uint8Array.from({ length }, (_, at) => period[at % PATTERN_PERIOD] as number);
}

/**
 * Sends patterns through the chip's own loopback: proves that status bytes are stripped where they are, and that the
 * FIFOs hold, with no card involved. CS must be high.
 * @throws BridgeError BRIDGE_PROTOCOL if something else comes back, BRIDGE_TIMEOUT if not all comes back
 */
export async function runSelfTest(link: MpsseLink, deadline: Deadline): Promise<void> {
  for (const length of SELF_TEST_LENGTHS) {
    const sent = selfTestPattern(length);
    const got = await link.run(encodeLoopback(sent), deadline).catch((error: unknown) => {
      throw describeFailure(error, `loopback of ${length} bytes`);
    });
    const at = sent.findIndex((byte, index) => byte !== got[index]);
    if (at >= 0) throw corrupted(length, at, sent[at], got[at]);
  }
}

function corrupted(
  length: number,
  at: number,
  sent: number | undefined,
  got: number | undefined,
): BridgeError {
  return new BridgeError(
    "BRIDGE_PROTOCOL",
    `the adapter's loopback test failed at byte ${at} of ${length}`,
    {
      details: { length, at, sent, got },
      hint: "try another cable, another port, or no hub in between",
    },
  );
}
