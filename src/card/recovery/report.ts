import type { RecoveryReport } from "../../spi/card-bus.js";
import type { CardIdentity } from "../identity.js";

/** What became of a card whose state was unknown. */
export interface CardRecovery extends RecoveryReport {
  /** `ready`: it goes on where it was; `identified`: it needed CMD0 and a new identification. */
  readonly how: "ready" | "identified";
  /** From the first byte to transfer state, in µs. */
  readonly us: number;
  /**
   * `A`: CRC checking was proved on when the card was interrupted, so nothing torn was programmed; `B`: it was off; `C`: nobody knows.
   */
  readonly integrityClass: CardIdentity["integrityClass"] | "C";
}
