import { viewOf } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";
import { isMmcpstoreError } from "../util/errors.js";
import type { CardLine } from "./card-line.js";

/**
 * ACMD22: how many blocks of the last CMD25 the card holds for certain. Big-endian by SD Physical Layer 4.12; QEMU's card sends
 * little-endian, so a number larger than `accepted` is read the other way round. Undefined if no reading is plausible, or
 * the card does not answer.
 */
export async function wellWrittenBlocks(
  line: CardLine,
  accepted: number,
  deadline: Deadline,
): Promise<number | undefined> {
  try {
    const count = await line.register("ACMD22_SEND_NUM_WR_BLOCKS", deadline);
    return plausibleCount(count, accepted);
  } catch (error) {
    if (!isMmcpstoreError(error) || !error.code.startsWith("CARD_")) throw error;
    line.log.debug({ error: error.message }, "ACMD22 failed");
    return undefined;
  }
}

/** One more than accepted is plausible too: the block whose data response was lost. */
export function plausibleCount(count: Uint8Array, accepted: number): number | undefined {
  const view = viewOf(count);
  const readings = [view.getUint32(0), view.getUint32(0, true)];
  return readings.find((blocks) => blocks <= accepted + 1);
}
