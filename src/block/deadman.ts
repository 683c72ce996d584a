import type { Deadline } from "../util/deadline.js";
import type { PanicOutcome, PanicWrite } from "./panic.js";

/** A panic write that is made without this process: when it has fallen silent. */
export interface DeadmanShot {
  readonly steps: readonly (readonly PanicWrite[])[];
  readonly compare: readonly PanicWrite[];
  /** A sector as it is now; with another content nothing is written. */
  readonly mark: PanicWrite;
  /** Silence that starts it, ms. */
  readonly heartbeatMs: number;
  /** For all of it, ms. */
  readonly writeMs: number;
}

/** What has become of it. */
export interface DeadmanStatus {
  readonly state: "off" | "armed" | "fired";
  /** Of one that has been written, or was to be. */
  readonly outcome?: PanicOutcome;
  readonly stepsDone: number;
  /** Armed: until it is written; fired: what that took. */
  readonly ms: number;
}

/** The way to a medium that something else can write by itself. Throws what the medium throws. */
export interface DeadmanPort {
  /** Bytes of sectors that one may have, about. */
  readonly storeBytes: number;
  /** Nothing is armed until it returns. */
  arm(shot: DeadmanShot, deadline: Deadline): Promise<DeadmanStatus>;
  /** A sign of life. */
  beat(deadline: Deadline): Promise<DeadmanStatus>;
  disarm(deadline: Deadline): Promise<void>;
}
