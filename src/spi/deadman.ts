import type { Deadline } from "../util/deadline.js";

/** Whole sectors at a place of the card. */
export interface SectorRun {
  readonly lba: number;
  /** A multiple of 512 bytes. */
  readonly bytes: Uint8Array;
}

/** A write to a card, complete: so that firmware can make it without its host. */
export interface DeadmanPlan {
  /** 16 bytes; a card with another one is never written. */
  readonly cid: Uint8Array;
  readonly addressing: "byte" | "block";
  /** CRC checking was on, and is to be on again. */
  readonly crcOn: boolean;
  /** Initialised by CMD1, not ACMD41. */
  readonly isMmc: boolean;
  readonly frequencyHz: number;
  /** A sector as it must be found. */
  readonly mark?: SectorRun;
  /** Each is accepted, its status read and its busy over before the next begins. */
  readonly steps: readonly (readonly SectorRun[])[];
  /** Read back at the end. */
  readonly compare: readonly SectorRun[];
  /** Silence of the host that starts it, ms. */
  readonly heartbeatMs: number;
  /** For all of it, from then on, ms. */
  readonly writeMs: number;
}

/** How a dead-man write ended, as firmware/protocol.h has it. */
export const DEADMAN_OUTCOMES = [
  "none",
  "committed",
  "committed-unverified",
  "card-busy",
  "deadline",
  "card-gone",
  "wrong-card",
  "write-failed",
  "needs-power-cycle",
] as const;
export type DeadmanOutcome = (typeof DEADMAN_OUTCOMES)[number];

export interface DeadmanState {
  readonly state: "off" | "armed" | "fired";
  readonly outcome: DeadmanOutcome;
  /** Of the plan, done whole. */
  readonly stepsDone: number;
  readonly writesDone: number;
  /** Armed: until it fires; fired: what the writing took. */
  readonly ms: number;
}

/**
 * Firmware that writes a record by itself when its host falls silent. Any request of the host is a sign of life; a new host is none.
 * @throws as the bridge does; BridgeError BRIDGE_UNSUPPORTED for a plan that is too large for its store
 */
export interface DeadmanUnit {
  /** Bytes that a plan with its data may have. */
  readonly storeBytes: number;
  /** Replaces whatever was loaded; meanwhile nothing is armed. */
  arm(plan: DeadmanPlan, deadline: Deadline): Promise<DeadmanState>;
  beat(deadline: Deadline): Promise<DeadmanState>;
  /** Disarms it, and forgets how the last one ended. */
  clear(deadline: Deadline): Promise<void>;
}
