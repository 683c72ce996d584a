import type { Deadline } from "../util/deadline.js";
import type { BridgeCapabilities, CsLevel } from "./bridge.js";
import type { CsPin } from "./cs-trail.js";
import type { PlannerStep } from "./plan.js";

/**
 * What a chip does by itself; queueing, planning, failures and deadlines of transactions are the
 * {@link import("./spi-driver.js").SpiDriver}'s, the same for every chip.
 *
 * Whatever fails inside {@link run} or {@link setFrequency} leaves the engine out of step: everything else in flight is cancelled and
 * waited for, {@link failure} says why, and what is asked for next rejects (`outOfSync`) until {@link restart} has succeeded.
 */
export interface SpiEngine {
  readonly capabilities: BridgeCapabilities;
  /** Steps of one transaction that may be on their way at a time. */
  readonly stepsAhead: number;
  /** The clock as really set. */
  readonly frequencyHz: number;
  /** Where CS is once all that was sent has been executed. */
  readonly cs: CsPin;
  /** Something is on its way. */
  readonly busy: boolean;
  /** What brought it out of step. */
  readonly failure: unknown;
  /**
   * Puts a step on the wire; resolves with its `replyBytes` MISO bytes. Called again before it has resolved, in order, up to
   * {@link stepsAhead} times.
   * @throws TransportError, BridgeError
   */
  run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array>;
  /**
   * Sets the clock, rounding down. CS is high and nothing is on its way.
   * @throws UsageError below the slowest that the chip has; TransportError, BridgeError
   */
  setFrequency(frequencyHz: number, deadline: Deadline): Promise<void>;
  /** Fails all that is on its way with `error` and resolves when nothing is any more. Never rejects. */
  stop(error: unknown): Promise<void>;
  /** Brings the chip back in step, CS where it was, if that can be; says where it is. Nothing is on its way. */
  restart(deadline: Deadline): Promise<CsLevel>;
  /** CS high, clock stopped, the chip as another program would like to find it. Out of step: whatever can be done. */
  leave(deadline: Deadline): Promise<void>;
  /** Gives the transport back. */
  close(): Promise<void>;
}
