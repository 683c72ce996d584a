import type { MmcpstoreError } from "../../util/errors.js";

/** What a step found: all is well, or not, and then whether the next ones still make sense. */
export interface StepOutcome {
  readonly finding: string;
  readonly fix?: string;
  /** The step failed, but those behind it can tell more. */
  readonly failure?: MmcpstoreError;
}
