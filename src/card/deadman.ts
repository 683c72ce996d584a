import type { DeadmanPort, DeadmanStatus } from "../block/deadman.js";
import type { DeadmanState, DeadmanUnit } from "../spi/deadman.js";
import { fromHex } from "../util/bytes.js";
import type { CardIdentity } from "./identity.js";

/** What the port has to know of the card when it is armed. */
export interface DeadmanCard {
  readonly identity: CardIdentity;
  /** Hz */
  readonly frequencyHz: number;
}

/** The port of a card behind firmware that can write a record by itself. */
export function cardDeadmanPort(card: DeadmanCard, unit: DeadmanUnit): DeadmanPort {
  return {
    storeBytes: unit.storeBytes,
    arm: async (shot, deadline) => {
      const { cid, addressing, crc, kind } = card.identity;
      const plan = {
        ...shot,
        cid: fromHex(cid.raw),
        addressing,
        crcOn: crc === "on",
        isMmc: kind === "MMC",
        frequencyHz: card.frequencyHz,
      };
      return statusOf(await unit.arm(plan, deadline));
    },
    beat: async (deadline) => statusOf(await unit.beat(deadline)),
    disarm: (deadline) => unit.clear(deadline),
  };
}

function statusOf({ state, outcome, stepsDone, ms }: DeadmanState): DeadmanStatus {
  return { state, stepsDone, ms, ...(outcome === "none" ? {} : { outcome }) };
}
