import { toHex } from "../util/bytes.js";
import { crc32c } from "../util/crc.js";
import { ERROR_CODES, type ErrorCode } from "../util/errors.js";
import { encodeRequest, parseHex, parseRequest, type TransferRequest } from "./request-codec.js";
import {
  type HidDeviceInfo,
  type SerialPortInfo,
  TransportError,
  type UsbDeviceInfo,
} from "./types.js";

/** Version of the format; docs/SPEC.md has every field. */
export const CASSETTE_VERSION = 1;

/** Drivers of bridges, each of one or several chips. */
export const BRIDGE_FAMILIES = ["ftdi", "ch341", "ch347", "mcp2210", "serprog"] as const;
export type BridgeFamily = (typeof BRIDGE_FAMILIES)[number];

export type { TransferRequest } from "./request-codec.js";

/** First line of a cassette: all that a replay needs to run the same way again. */
export interface CassetteHeader {
  readonly cassette: typeof CASSETTE_VERSION;
  readonly transport: "usb" | "hid" | "serial";
  /** Which driver the traffic is of. */
  readonly bridge: BridgeFamily;
  /** Version of this program, and of zlib, which decides compressed bytes. */
  readonly tool: string;
  readonly zlib: string;
  readonly device: UsbDeviceInfo | HidDeviceInfo | SerialPortInfo;
  /** Device string of the recorded run (`ft232h`, `sim:...`). */
  readonly deviceString: string;
  /** wMaxPacketSize by bulk endpoint address. */
  readonly packetSizes: Readonly<Record<string, number>>;
  /** Capabilities of the opened bridge; a plan depends on them. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** The recorded command's arguments. */
  readonly arguments: readonly string[];
  /** Wall time at the first event, ms since 1970. */
  readonly wallTimeMs: number;
  /** Seed of the run's randomness, hex. */
  readonly randomSeed: string;
}

interface EventBase {
  /** 1 for the line behind the header. */
  readonly index: number;
  /** µs since the start of the recording. */
  readonly atUs: number;
  /** Number of the transfer, from 1. */
  readonly id: number;
}

export interface SubmitEvent extends EventBase {
  readonly kind: "submit";
  readonly request: TransferRequest;
}

export interface CancelEvent extends EventBase {
  readonly kind: "cancel";
}

export interface CompleteEvent extends EventBase {
  readonly kind: "complete";
  /** Of an IN transfer that succeeded. */
  readonly data?: Uint8Array;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

export type CassetteEvent = SubmitEvent | CancelEvent | CompleteEvent;

export interface Cassette {
  readonly header: CassetteHeader;
  readonly events: readonly CassetteEvent[];
}

/** Turns values into lines whose checksums are chained: each covers all lines before it too. */
export class CassetteLines {
  #crc = 0;

  /** One line with its checksum, with the newline. */
  next(value: object): string {
    const body = JSON.stringify(value).slice(0, -1);
    this.#crc = crc32c(Buffer.from(body), this.#crc);
    return `${body},"crc":"${this.#crc.toString(16).padStart(8, "0")}"}\n`;
  }

  /** Checks one line (without its newline) against the chain; undefined if it does not fit. */
  check(line: string): Record<string, unknown> | undefined {
    const match = /^(\{.*),"crc":"([0-9a-f]{8})"\}$/s.exec(line);
    if (match === null) return undefined;
    const body = match[1] as string;
    this.#crc = crc32c(Buffer.from(body), this.#crc);
    if (this.#crc !== Number.parseInt(match[2] as string, 16)) return undefined;
    return parseObject(`${body}}`);
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** An event as the plain value that its line holds. */
export function encodeEvent(event: CassetteEvent): object {
  const base = { t: event.atUs, id: event.id, kind: event.kind };
  switch (event.kind) {
    case "submit":
      return { ...base, ...encodeRequest(event.request) };
    case "cancel":
      return base;
    case "complete":
      return {
        ...base,
        ...(event.data === undefined ? {} : { data: toHex(event.data) }),
        ...(event.error === undefined ? {} : { error: event.error }),
      };
  }
}

/**
 * Reads a whole cassette.
 * @throws TransportError CASSETTE_VERSION (another version, or no cassette at all), CASSETTE_DAMAGED (a
 * checksum or a field is wrong, or a submit has no completion), with `details.index`
 */
export function parseCassette(text: string): Cassette {
  const chain = new CassetteLines();
  const lines = text.split("\n");
  if (lines.pop() !== "") throw damaged(lines.length, "the last line is cut off");
  const [first, ...rest] = lines;
  const header = parseHeader(first ?? "", chain);
  const events = rest.map((line, at) => parseEvent(line, at + 1, chain));
  checkPairs(events);
  return { header, events };
}

function damaged(index: number, what: string): TransportError {
  return new TransportError(
    "CASSETTE_DAMAGED",
    `the cassette is damaged at line #${index}: ${what}`,
    {
      details: { index },
      hint: "record it again, or take it from where it came from once more",
    },
  );
}

function parseHeader(line: string, chain: CassetteLines): CassetteHeader {
  const loose = parseObject(line);
  const version = loose?.["cassette"];
  if (version !== CASSETTE_VERSION) {
    const found =
      version === undefined ? "this is no cassette" : `the cassette has version ${String(version)}`;
    throw new TransportError(
      "CASSETTE_VERSION",
      `${found}; version ${CASSETTE_VERSION} is understood`,
      {
        details: { version, understood: CASSETTE_VERSION },
        hint: "replay it with the version of mmcpstore that recorded it, or record it again",
      },
    );
  }
  const header = chain.check(line);
  if (header === undefined || typeof header["device"] !== "object")
    throw damaged(0, "its checksum does not fit");
  return header as unknown as CassetteHeader;
}

function parseEvent(line: string, index: number, chain: CassetteLines): CassetteEvent {
  const value = chain.check(line);
  if (value === undefined) throw damaged(index, "its checksum does not fit");
  const { t, id, kind } = value;
  if (typeof t !== "number" || typeof id !== "number")
    throw damaged(index, "it has no time or number");
  const base = { index, atUs: t, id };
  try {
    if (kind === "submit") return { ...base, kind, request: parseRequest(value) };
    if (kind === "cancel") return { ...base, kind };
    if (kind === "complete") return { ...base, kind, ...parseOutcome(value) };
  } catch (cause) {
    throw damaged(index, `a field is wrong (${String(cause)})`);
  }
  throw damaged(index, `'${String(kind)}' is no kind of event`);
}

function parseOutcome(value: Record<string, unknown>): Pick<CompleteEvent, "data" | "error"> {
  const { data, error } = value;
  if (error === undefined) return data === undefined ? {} : { data: parseHex(data) };
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = ERROR_CODES.find((one) => one === code);
  if (known === undefined) throw new RangeError("unknown error code");
  return { error: { code: known, message: String(message) } };
}

/** Each transfer is submitted once, cancelled only while open, and completed once. */
function checkPairs(events: readonly CassetteEvent[]): void {
  const open = new Map<number, number>();
  const seen = new Set<number>();
  for (const { kind, id, index } of events) {
    if (kind === "submit") {
      if (seen.has(id)) throw damaged(index, `transfer ${id} is submitted twice`);
      seen.add(id);
      open.set(id, index);
    } else if (!open.has(id)) {
      throw damaged(index, `transfer ${id} is not open here`);
    } else if (kind === "complete") open.delete(id);
  }
  for (const [id, index] of open) throw damaged(index, `transfer ${id} has no completion`);
}
