import type { ErrorDetails } from "../util/errors.js";

/** `error`: a kernel refuses, crashes, shows less than there is, or a record is damaged; `warning`: it does something unexpected. */
export type Severity = "error" | "warning" | "info";

/** One thing that `pstore check` has to say. Plain data. */
export interface Finding {
  /** Stable, kebab-case: for scripts. */
  readonly code: string;
  readonly severity: Severity;
  /** One sentence without a full stop. */
  readonly message: string;
  readonly details: ErrorDetails;
}

export function finding(
  code: string,
  severity: Severity,
  message: string,
  details: ErrorDetails = {},
): Finding {
  return { code, severity, message, details };
}
