import { isMmcpstoreError, type MmcpstoreError, toError } from "../util/errors.js";
import { EXIT, EXIT_OF_ERROR, type ExitCode } from "./exit-codes.js";

/** The exit code for anything thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!isMmcpstoreError(error)) return EXIT.failure;
  return error.details["signal"] === "SIGTERM" ? EXIT.terminated : EXIT_OF_ERROR[error.code];
}

/** `mmcpstore: MESSAGE` and, where there is one, a line with the hint. No stack trace: that is for `-v`. */
export function errorLines(error: unknown, verbose: boolean): string {
  const { message, stack } = toError(error);
  const hint = isMmcpstoreError(error) && error.hint !== undefined ? `  hint: ${error.hint}\n` : "";
  const causes = verbose ? causeLines(error) : "";
  const trace =
    !isMmcpstoreError(error) || (verbose && error.code === "INTERNAL") ? `${stack ?? ""}\n` : "";
  return `mmcpstore: ${message}\n${hint}${causes}${trace}`;
}

function causeLines(error: unknown): string {
  let text = "";
  for (let cause = causeOf(error); cause !== undefined; cause = causeOf(cause)) {
    text += `  cause: ${toError(cause).message}\n`;
  }
  return text;
}

function causeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "cause" in error ? error.cause : undefined;
}

/** The same for a script: one line of JSON, schema `mmcpstore/error/1`. */
export function errorJson(error: unknown): string {
  const known: MmcpstoreError | undefined = isMmcpstoreError(error) ? error : undefined;
  const value = {
    schema: "mmcpstore/error/1",
    code: known?.code ?? "INTERNAL",
    message: toError(error).message,
    hint: known?.hint ?? null,
    details: known?.details ?? {},
    exitCode: exitCodeOf(error),
  };
  return `${JSON.stringify(value, jsonSafe)}\n`;
}

/** JSON has no bigint and no byte arrays: decimal strings and hex instead. */
export function jsonSafe(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
}
