import type { OpenedAdapter } from "../../spi/adapter-card-bus.js";
import type { AdapterBridge } from "../../spi/bridge.js";
import type { Clock } from "../../util/clock.js";
import type { ErrorCode } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import type { StepOutcome } from "../adapters/outcome.js";

/** What is looked at, in order. */
export const DOCTOR_STEPS = [
  "package",
  "device",
  "permission",
  "kernel-driver",
  "open",
  "sync",
  "loopback",
  "miso",
  "cmd0",
  "cmd8",
  "ready",
  "crc",
  "registers",
  "clock",
] as const;
export type DoctorStepName = (typeof DOCTOR_STEPS)[number];

export interface DoctorStep {
  readonly name: DoctorStepName;
  /** For people. */
  readonly title: string;
  readonly state: "ok" | "failed" | "not reached";
  /** What was seen. */
  readonly finding?: string;
  /** What to do about it; of what works too, if it can be better. */
  readonly fix?: string;
  /** Of a failure. */
  readonly code?: ErrorCode;
}

export interface DoctorReport {
  /** The device string, or what was found without one. */
  readonly device: string;
  readonly adapter?: string;
  readonly card?: string;
  /** Highest clock that was seen to work, in Hz. */
  readonly frequencyHz?: number;
  readonly steps: readonly DoctorStep[];
}

/** A running adapter. */
export interface StartedBridge {
  readonly bridge: AdapterBridge;
  readonly loopback: StepOutcome;
}

/**
 * An adapter on its way from a name to a bridge, a step at a time and in this order. Each says what it found, and throws a typed
 * error if that ends it.
 */
export interface BenchTarget {
  /** The device string as given, then as found. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  load(): Promise<StepOutcome>;
  find(): Promise<StepOutcome>;
  permission(): Promise<StepOutcome>;
  kernelDriver(): Promise<StepOutcome>;
  open(): Promise<StepOutcome>;
  /** As raw SPI. */
  start(): Promise<StartedBridge>;
  /** Instead of {@link start}: as whatever the adapter offers. */
  drive(): Promise<OpenedAdapter>;
  /** Whatever of it is open. Idempotent. */
  close(): Promise<void>;
}
