import { BLOCK_SIZE } from "../../block/device.js";
import { fromHex, viewOf } from "../../util/bytes.js";
import type { Deadline } from "../../util/deadline.js";
import { errorCode } from "../../util/errors.js";
import type { CardLine } from "../card-line.js";
import type { CardIdentity } from "../identity.js";
import { decodeOcr } from "../registers/ocr.js";

/**
 * True if the card that answers is the one that was identified, in the state that identification left it in: powered up, addressed
 * alike, with the same CID. Puts block length and CRC checking back to what they were, since a torn CMD16 or CMD59 may have changed
 * them where CRCs are not checked. At most 768 bytes clocked.
 * @throws what the bridge throws
 */
export async function isSameCard(
  line: CardLine,
  identity: CardIdentity,
  deadline: Deadline,
): Promise<boolean> {
  try {
    if (identity.crc === "on") await line.expect("CMD59_CRC_ON_OFF", 1, deadline);
    if (identity.addressing === "byte")
      await line.expect("CMD16_SET_BLOCKLEN", BLOCK_SIZE, deadline);
    return (await sameOcr(line, identity, deadline)) && (await sameCid(line, identity, deadline));
  } catch (error) {
    if (!errorCode(error)?.startsWith("CARD_")) throw error;
    line.log.warn({ error: String(error) }, "the card does not prove to be the same");
    return false;
  }
}

async function sameOcr(
  line: CardLine,
  { kind, ocr }: CardIdentity,
  deadline: Deadline,
): Promise<boolean> {
  const { extra } = await line.command("CMD58_READ_OCR", 0, deadline);
  if (extra.length < 4) return false;
  const now = decodeOcr(viewOf(extra).getUint32(0), kind === "MMC" ? "MMC" : "SD");
  return now.poweredUp && now.highCapacity === ocr.highCapacity;
}

async function sameCid(
  line: CardLine,
  { cid }: CardIdentity,
  deadline: Deadline,
): Promise<boolean> {
  const register = await line.register("CMD10_SEND_CID", deadline);
  return Buffer.compare(register, fromHex(cid.raw)) === 0;
}
