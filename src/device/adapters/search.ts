import type { BridgeFamily } from "../../transport/cassette.js";
import { TransportError } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { deadlineIn, expired } from "../../util/deadline.js";
import { errorCode } from "../../util/errors.js";
import type { BridgeSettings } from "../families.js";
import { type AdapterChip, type AdapterSpec, ANY_ADAPTER } from "../spec.js";
import { ADAPTERS } from "./data.js";
import type { BenchDeps, FoundAdapter, Refusal, Way } from "./found.js";
import { hidWay, serialWay } from "./node-ways.js";
import { usbWay } from "./usb-way.js";

const POLL_US = 250_000;

/** An adapter, and the way that led to it. */
export interface Match {
  readonly way: Way;
  readonly found: FoundAdapter;
}

const FAMILIES: Readonly<Record<AdapterChip, BridgeFamily>> = {
  ft232h: "ftdi",
  ft2232h: "ftdi",
  ft4232h: "ftdi",
  ch341a: "ch341",
  ch347: "ch347",
  mcp2210: "mcp2210",
  serprog: "serprog",
};

/** The driver that an adapter needs. */
export function familyOf({ adapter }: FoundAdapter): BridgeFamily {
  return FAMILIES[adapter.id];
}

/** What its driver is told: the device string's wishes, else what the board decides. */
export function settingsOfFound({ channel }: FoundAdapter, spec: AdapterSpec): BridgeSettings {
  return {
    ...(channel === undefined ? {} : { channel }),
    ...(spec.baudRate === undefined ? {} : { baudRate: spec.baudRate }),
    hardwareWait: spec.hardwareWait,
    fastIdentification: spec.fastIdentification,
  };
}

/** Ways to what a device string may mean. */
export function waysOf({ chip }: AdapterSpec, deps: BenchDeps): readonly Way[] {
  if (chip === "serprog") return [serialWay(deps)];
  if (chip === "mcp2210") return [hidWay(deps)];
  return chip === undefined ? [usbWay(deps), hidWay(deps), serialWay(deps)] : [usbWay(deps)];
}

/**
 * The one adapter that a device string means; waits for it to appear.
 * @throws TransportError TRANSPORT_NOT_FOUND, TRANSPORT_AMBIGUOUS with the list; TRANSPORT_PACKAGE if nothing is found and a package is why
 */
export async function findAdapter(
  spec: AdapterSpec,
  ways: readonly Way[],
  clock: Clock,
  waitMs = 0,
): Promise<Match> {
  const deadline = deadlineIn(clock, waitMs);
  for (;;) {
    try {
      return await findOnce(spec, ways);
    } catch (error) {
      if (errorCode(error) !== "TRANSPORT_NOT_FOUND" || expired(clock, deadline)) throw error;
      await clock.sleep(POLL_US);
    }
  }
}

async function findOnce(spec: AdapterSpec, ways: readonly Way[]): Promise<Match> {
  const { matches, problems } = await listWays(spec, ways);
  const fitting = matches.filter(({ found }) => fits(found, spec));
  const [first, second] = fitting;
  if (second !== undefined) throw ambiguous(fitting.map(({ found }) => found));
  if (first !== undefined) return first;
  // What is asked for may be there and not be seen.
  if (problems[0] !== undefined) throw problems[0];
  throw await notFound(spec, ways);
}

/** What each way leads to, and why one of them leads nowhere. */
export async function listWays(
  spec: AdapterSpec,
  ways: readonly Way[],
): Promise<{ readonly matches: readonly Match[]; readonly problems: readonly TransportError[] }> {
  const matches: Match[] = [];
  const problems: TransportError[] = [];
  for (const way of ways) {
    try {
      for (const found of await way.list(spec)) matches.push({ way, found });
    } catch (error) {
      if (errorCode(error) !== "TRANSPORT_PACKAGE") throw error;
      problems.push(error as TransportError);
    }
  }
  return { matches, problems };
}

function fits(found: FoundAdapter, { serialNumber, portPath }: AdapterSpec): boolean {
  return (
    (serialNumber === undefined || found.serialNumber === serialNumber) &&
    (portPath === undefined || found.portPath === portPath)
  );
}

async function notFound(spec: AdapterSpec, ways: readonly Way[]): Promise<TransportError> {
  const { chip } = spec;
  const others = (await listWays({ ...ANY_ADAPTER, chip }, ways)).matches.map(({ found }) => found);
  const refusals = await listRefusals(spec, ways);
  const seen = [...others, ...refusals].map(({ text }) => text);
  return new TransportError(
    "TRANSPORT_NOT_FOUND",
    `${missing(spec)}${seen.map((text) => `; ${text}`).join("")}`,
    {
      details: { found: seen },
      hint: refusals[0]?.fix ?? (others.length > 0 ? "choose one of those" : PLUG_IN),
    },
  );
}

/** What is not there, as the user named it. */
function missing({ chip, serialNumber, portPath, path }: AdapterSpec): string {
  if (path !== undefined) return `${path} does not exist`;
  const name = ADAPTERS.find(({ id }) => id === chip)?.chip ?? "adapter";
  const which = serialNumber === undefined ? "" : ` with serial number ${serialNumber}`;
  const where = portPath === undefined ? "" : ` at port ${portPath}`;
  return `no ${name}${which}${where} is plugged in`;
}

const PLUG_IN =
  "plug it in, or try another port and cable: lsusb must show it; sim:card.img and image:card.img need none";

/** Devices that are there and cannot be used. */
export async function listRefusals(
  spec: AdapterSpec,
  ways: readonly Way[],
): Promise<readonly Refusal[]> {
  const refusals = await Promise.all(ways.map((way) => way.refused(spec).catch(() => [])));
  return refusals.flat();
}

/** A serial number finds the adapter at any port; without one, or with one that others share, the port must do. */
export function selectorOf(found: FoundAdapter, all: readonly FoundAdapter[]): string {
  const { adapter, serialNumber = "", portPath, node } = found;
  const same = all.filter(
    (other) => other.serialNumber === serialNumber && other.adapter.id === adapter.id,
  );
  if (same.length === 1 && /^[\w.-]+$/.test(serialNumber)) return `${adapter.id}:${serialNumber}`;
  return portPath === undefined ? `${adapter.id}:${node}` : `usb:${portPath}`;
}

function ambiguous(found: readonly FoundAdapter[]): TransportError {
  const names = found.map(({ text }) => text);
  const selectors = found.map((one) => `-d ${selectorOf(one, found)}`);
  return new TransportError(
    "TRANSPORT_AMBIGUOUS",
    `${found.length} adapters fit: ${names.join("; ")}`,
    { details: { found: names }, hint: `choose one: ${selectors.join(", ")}` },
  );
}
