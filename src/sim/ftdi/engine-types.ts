import type { MpsseDecoderState } from "../../bridge/ftdi/decoder.js";
import type { Job } from "./clock-job.js";
import type { InFifo } from "./in-fifo.js";
import type { FtdiSettings } from "./options.js";
import type { OutFifo } from "./out-fifo.js";
import type { Report } from "./violations.js";
import type { SpiWire } from "./wire.js";

/** Why the engine stands still. */
export type Blocked = "input" | "output" | undefined;

/** What the engine works with. */
export interface EngineParts {
  readonly settings: FtdiSettings;
  readonly out: OutFifo;
  readonly in: InFifo;
  readonly wire: SpiWire;
  readonly report: Report;
}

export interface EngineModesState {
  readonly divisor: number;
  readonly divideBy5: boolean;
  readonly loopback: boolean;
  readonly adaptive: boolean;
  readonly threePhase: boolean;
}

export interface EngineState {
  readonly decoder: MpsseDecoderState;
  readonly modes: EngineModesState;
  readonly job: Job | undefined;
  readonly aheadUs: number;
}
