import { types } from "node:util";

/**
 * Every code an error of this project can carry. The command line maps each to one exit code
 * (`cli/exit-codes.ts`); a library user switches on it.
 */
export const ERROR_CODES = [
  "INTERNAL",
  "USAGE",
  "REFUSED",
  "INTERRUPTED",
  "IO",
  "LOCKED",
  "TRANSPORT_NOT_FOUND",
  "TRANSPORT_AMBIGUOUS",
  "TRANSPORT_ACCESS",
  "TRANSPORT_BUSY",
  "TRANSPORT_PACKAGE",
  "TRANSPORT_DISCONNECTED",
  "TRANSPORT_STALL",
  "TRANSPORT_CANCELLED",
  "TRANSPORT_TIMEOUT",
  "TRANSPORT_FAULT",
  "CASSETTE_MISMATCH",
  "CASSETTE_DAMAGED",
  "CASSETTE_VERSION",
  "BRIDGE_UNSUPPORTED",
  "BRIDGE_PROTOCOL",
  "BRIDGE_SYNC",
  "BRIDGE_TIMEOUT",
  "BRIDGE_CANCELLED",
  "CARD_ABSENT",
  "CARD_NO_RESPONSE",
  "CARD_REFUSED",
  "CARD_UNUSABLE",
  "CARD_LOCKED",
  "CARD_CRC",
  "CARD_ERROR",
  "CARD_TIMEOUT",
  "CARD_BUSY",
  "CARD_WRITE_PROTECTED",
  "CARD_WRITE_REJECTED",
  "BLOCK_RANGE",
  "BLOCK_READ_ONLY",
  "BLOCK_UNSUPPORTED",
  "BLOCK_PREEMPTED",
  "VERIFY_DIFFERS",
  "IMAGE_MISSING",
  "IMAGE_ACCESS",
  "IMAGE_INVALID",
  "PART_MALFORMED",
  "PART_AMBIGUOUS",
  "PART_NOT_FOUND",
  "PART_NO_SPACE",
  "TABLE_NONE",
  "TABLE_DAMAGED",
  "PSTORE_GEOMETRY_INVALID",
  "PSTORE_GEOMETRY_TOO_LARGE",
  "PSTORE_GEOMETRY_CONTRADICTED",
  "PSTORE_GEOMETRY_UNPROVED",
  "PSTORE_TOO_LARGE",
  "PSTORE_TIME",
  "PSTORE_NOT_FOUND",
  "PSTORE_DAMAGED",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Plain data that a script can read: what exactly was asked, where it went wrong. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** What the user can do about it: one sentence, imperative. */
  readonly hint?: string;
}

/** Base of all errors thrown on purpose. Each layer has one subclass and wraps the layer below as `cause`. */
export abstract class MmcpstoreError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
    this.hint = options.hint;
  }
}

/** The caller asked for something malformed or impossible. */
export class UsageError extends MmcpstoreError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("USAGE", message, options);
  }
}

/** A safety rule forbids what was asked. */
export class RefusedError extends MmcpstoreError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("REFUSED", message, options);
  }
}

/** A fault of this program. Never caught to go on. */
export class InternalError extends MmcpstoreError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("INTERNAL", message, options);
  }
}

/** A failing system call that no layer has a better word for. */
export class IoError extends MmcpstoreError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("IO", message, options);
  }
}

/** Something else holds the adapter or the image. */
export class LockedError extends MmcpstoreError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("LOCKED", message, options);
  }
}

/** The `code` of one of our errors, of a Node system error, or undefined. Safe across realms (jest). */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** True for an error of this project, whichever copy or realm it came from. */
export function isMmcpstoreError(error: unknown): error is MmcpstoreError {
  const code = errorCode(error);
  return code !== undefined && (ERROR_CODES as readonly string[]).includes(code);
}

/** Something that can be thrown, as an Error. */
export function toError(value: unknown): Error {
  return types.isNativeError(value) ? value : new Error(String(value));
}

/** Throws {@link InternalError} unless `condition`; for what only a bug can break. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}
