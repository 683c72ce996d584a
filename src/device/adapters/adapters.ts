import { CH341_VOLTAGE_WARNING } from "../../bridge/ch341/chips.js";
import { RealClock } from "../../util/clock.js";
import { isMmcpstoreError, type MmcpstoreError, RefusedError } from "../../util/errors.js";
import { acquireLock, type Lock } from "../../util/lock.js";
import { openCardStack } from "../card-stack.js";
import { IntentJournal, runtimeFile } from "../journal.js";
import { type AdapterSpec, ANY_ADAPTER } from "../spec.js";
import type { AdapterInventory, AdapterListing, OpenedDevice, OpenOptions } from "../types.js";
import type { BenchDeps, FoundAdapter, Refusal } from "./found.js";
import {
  familyOf,
  findAdapter,
  listRefusals,
  listWays,
  type Match,
  selectorOf,
  settingsOfFound,
  waysOf,
} from "./search.js";

/** Adapters that are plugged in, those that cannot be used too, with the reason. */
export async function listAdapters(deps: BenchDeps = {}): Promise<AdapterInventory> {
  const ways = waysOf(ANY_ADAPTER, deps);
  const { matches } = await listWays(ANY_ADAPTER, ways);
  const problems = (await Promise.all(ways.map((way) => problemOf(way.load)))).flat();
  const all = matches.map(({ found }) => found);
  const refusals = await listRefusals(ANY_ADAPTER, ways);
  return {
    adapters: [...all.map((found) => listingOf(found, all)), ...refusals.flatMap(refusalListing)],
    problems,
  };
}

/** A device can be there, and be listed, without the package that opens it. */
async function problemOf(load: () => Promise<unknown>): Promise<MmcpstoreError[]> {
  try {
    await load();
    return [];
  } catch (error) {
    if (isMmcpstoreError(error)) return [error];
    throw error;
  }
}

function listingOf(found: FoundAdapter, all: readonly FoundAdapter[]): AdapterListing {
  const { chip, serialNumber, portPath, node, access, kernelDriver, error } = found;
  const hint = error?.hint ?? (access === "denied" ? deniedHint(found) : undefined);
  return {
    selector: selectorOf(found, all),
    chip,
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(portPath === undefined ? {} : { portPath }),
    ...(node === undefined ? {} : { node }),
    access,
    ...(kernelDriver === undefined ? {} : { kernelDriver }),
    ...(hint === undefined ? {} : { hint }),
  };
}

function deniedHint({ node }: FoundAdapter): string {
  return `${node ?? "its node"} may not be opened by this user: mmcpstore udev install, or doctor for more`;
}

function refusalListing({ device, fix }: Refusal): AdapterListing[] {
  if (device === undefined) return [];
  const { name, portPath, serialNumber } = device;
  const serial = serialNumber === undefined ? {} : { serialNumber };
  return [{ chip: name, portPath, ...serial, access: "unusable", hint: fix }];
}

/**
 * Opens an adapter and the card behind it. Waits for it to appear if `options.waitMs` says so.
 * @throws TransportError TRANSPORT_NOT_FOUND, TRANSPORT_AMBIGUOUS with the list, TRANSPORT_PACKAGE, and why it may not be opened;
 * RefusedError if its voltage has to be checked first; LockedError; BridgeError; what opening a card throws
 */
export async function openAdapter(
  spec: AdapterSpec,
  options: OpenOptions,
  deps: BenchDeps = {},
): Promise<OpenedDevice> {
  const clock = deps.clock ?? new RealClock();
  const known = { ...deps, clock };
  const match = await findAdapter(spec, waysOf(spec, known), clock, options.waitMs);
  const { found } = match;
  await requireUsable(match, options);
  const name = found.lockName;
  const lock = await acquireLock(runtimeFile(name, options, "lock"), `the adapter ${name}`);
  const journal = new IntentJournal(runtimeFile(name, options, "journal"), clock, options.log);
  try {
    const stack = await openCardStack({
      link: await found.open(clock, options.log),
      family: familyOf(found),
      settings: settingsOfFound(found, spec),
      clock,
      options,
      deviceString: name,
      journal,
    });
    const close = (): Promise<void> => stack.close().finally(() => lock.release());
    const notes = [...staleNote(lock), ...stack.notes];
    return { ...stack, name, block: stack.card, notes, close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Whatever speaks against opening it, before anything is touched. */
async function requireUsable({ way, found }: Match, options: OpenOptions): Promise<void> {
  requireVoltage(found, options);
  await way.load();
  if (found.error !== undefined) throw found.error;
}

/**
 * No program can see that a board has 5 V on its signals: the user must have looked.
 * @throws RefusedError unless `voltageChecked`
 */
export function requireVoltage(
  { adapter }: Pick<FoundAdapter, "adapter">,
  { voltageChecked = false }: Pick<OpenOptions, "voltageChecked">,
): void {
  if (adapter.id !== "ch341a" || voltageChecked) return;
  throw new RefusedError(CH341_VOLTAGE_WARNING, {
    hint: "then give --i-checked-3v3, or write i-checked-3v3 = true into the configuration file",
  });
}

function staleNote(lock: Lock): string[] {
  return lock.wasStale
    ? ["note: the adapter's lock of a process that has died was taken over"]
    : [];
}
