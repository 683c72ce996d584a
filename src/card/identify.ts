import { CardError } from "../spi/errors.js";
import { type Deadline, expired } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";
import type { CardLine } from "./card-line.js";
import { isNoise } from "./errors.js";
import { type CardIdentity, sdKind } from "./identity.js";
import { type Initialised, initialiseCard } from "./initialise.js";
import { type CardRegisters, checkTransferState, proveCrc, readRegisters } from "./inspect.js";
import { raiseClock } from "./raise-clock.js";
import { IDENTIFY_HZ, TIMING } from "./timing.js";
import { wakeCard } from "./wake.js";

export interface IdentifyOptions {
  /** Ask the card to check CRCs. They are computed and checked on this side in any case. */
  readonly crc: boolean;
  /** Hz, as asked for; undefined: what the card says, 25 MHz at most. */
  readonly speedHz?: number;
  /** Reset it though it may still be programming, which may damage what it is programming. Default: it may finish. */
  readonly atOnce?: boolean;
}

/**
 * Finds out what card is there and brings it to transfer state, from any state, within `deadline` (reference: SD Physical
 * Layer 7.2.1, figure 7-2). Runs at 400 kHz; where that gives CRC errors or silence, again at half of it.
 *
 * @throws CardError CARD_ABSENT (nothing there), CARD_UNUSABLE (voltage, never ready, unknown capacity), CARD_REFUSED,
 * CARD_LOCKED, CARD_CRC, CARD_ERROR, CARD_TIMEOUT; what the bridge throws
 */
export async function identifyCard(
  line: CardLine,
  options: IdentifyOptions,
  deadline: Deadline,
): Promise<CardIdentity> {
  const clocks = identificationClocks(line, options);
  for (const [attempt, hz] of clocks.entries()) {
    try {
      await line.setFrequency(hz);
      if (attempt > 0) await line.bus.recover(line.within(deadline, TIMING.recoverMs));
      return await identifyOnce(line, options, deadline);
    } catch (error) {
      const last = attempt === clocks.length - 1 || expired(line.clock, deadline);
      if (last || !worthSlower(error)) throw error;
      line.log.warn(
        { frequencyHz: hz, error: String(error) },
        "identification failed, going slower",
      );
    }
  }
  throw new CardError("CARD_ABSENT", "no clock to identify a card at");
}

/** Each clock that the bridge can set, no two the same. */
function identificationClocks(line: CardLine, { speedHz }: IdentifyOptions): number[] {
  const { minFrequencyHz } = line.bus.capabilities;
  const highest = speedHz ?? Number.POSITIVE_INFINITY;
  const clocks = IDENTIFY_HZ.map((hz) => Math.max(minFrequencyHz, Math.min(hz, highest)));
  return [...new Set(clocks)];
}

function worthSlower(error: unknown): boolean {
  const code = errorCode(error);
  return isNoise(error) || code === "CARD_ERROR" || code === "CARD_BUSY";
}

async function identifyOnce(
  line: CardLine,
  options: IdentifyOptions,
  deadline: Deadline,
): Promise<CardIdentity> {
  await wakeCard(line, deadline, options);
  const initialised = await initialiseCard(line, options, deadline);
  const integrityClass = await proveCrc(line, initialised.crc, deadline);
  await checkTransferState(line, initialised.ocr, deadline);
  const registers = await readRegisters(line, initialised, deadline);
  const blockCount = capacityOf(registers);
  await raiseClock(line, registers, options.speedHz, deadline);
  return {
    ...describe(initialised, registers, blockCount),
    ...registers,
    ocr: initialised.ocr,
    blockCount,
    crc: initialised.crc ? "on" : "off",
    integrityClass,
    frequencyHz: line.frequencyHz,
  };
}

function capacityOf({ csd }: CardRegisters): number {
  if (csd.blockCount !== undefined) return csd.blockCount;
  const extended = csd.layout === "MMC";
  throw new CardError(
    "CARD_UNUSABLE",
    extended
      ? "the card's capacity is in its EXT_CSD, which is not read in SPI mode"
      : `the card's CSD gives no capacity (structure ${csd.structure})`,
    { details: { csd: csd.raw }, hint: "use a card of another kind" },
  );
}

function describe(
  { family, version2, ocr }: Initialised,
  { csd, scr }: CardRegisters,
  blockCount: number,
): Pick<CardIdentity, "kind" | "specVersion" | "addressing" | "writeProtected"> {
  const { permanent, temporary } = csd.writeProtection;
  const mmc = family === "MMC";
  const sdVersion = scr?.specVersion ?? (version2 ? "2.0 or later" : "1.x");
  return {
    kind: mmc ? "MMC" : sdKind(csd, blockCount),
    specVersion: mmc ? `${csd.mmcSpecVersion ?? 0}.x` : sdVersion,
    addressing: ocr.highCapacity ? "block" : "byte",
    writeProtected: permanent ? "permanent" : temporary ? "temporary" : "no",
  };
}
