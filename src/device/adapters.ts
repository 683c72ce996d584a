import { findFtdiChip, ftdiChannel, isFtdiDevice, requireFtdiChip } from "../bridge/ftdi/chips.js";
import { TransportError } from "../transport/types.js";
import { openUsb } from "../transport/usb.js";
import { listUsb, selectUsb, type UsbListing } from "../transport/usb-list.js";
import type { UsbLoader } from "../transport/usb-module.js";
import { type Clock, RealClock } from "../util/clock.js";
import { deadlineIn, expired } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";
import { acquireLock, type Lock } from "../util/lock.js";
import { openCardStack } from "./card-stack.js";
import { IntentJournal, runtimeFile } from "./journal.js";
import type { AdapterSpec } from "./spec.js";
import type { AdapterListing, OpenedDevice, OpenOptions } from "./types.js";

/** What a test replaces. */
export interface AdapterDeps {
  readonly clock?: Clock;
  readonly load?: UsbLoader;
  readonly sysfsRoot?: string;
}

const POLL_US = 250_000;

/** FTDI devices that are plugged in, those that cannot be used too, with the reason. */
export async function listAdapters(deps: AdapterDeps = {}): Promise<readonly AdapterListing[]> {
  const listings = await listUsb(listOptions(deps), isFtdiDevice);
  return listings.map((listing) => adapterListing(listing, listings));
}

function listOptions(deps: AdapterDeps): AdapterDeps & { readonly clock: Clock } {
  return { clock: new RealClock(), ...deps };
}

function adapterListing(listing: UsbListing, all: readonly UsbListing[]): AdapterListing {
  const { device, access, error } = listing;
  const { serialNumber, portPath } = device;
  const chip = findFtdiChip(device);
  const hint = chip === undefined ? unsupportedReason(listing) : error?.hint;
  return {
    selector: selectorOf(listing, all),
    chip: chip?.name ?? "unsupported FTDI chip",
    portPath,
    access,
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(hint === undefined ? {} : { hint }),
  };
}

function unsupportedReason({ device }: UsbListing): string | undefined {
  try {
    requireFtdiChip(device);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : undefined;
  }
}

/** A serial number finds the adapter at any port; without one, or with one that others share, the port must do. */
function selectorOf({ device }: UsbListing, all: readonly UsbListing[]): string {
  const { serialNumber, portPath } = device;
  const chip = findFtdiChip(device);
  const isUnique =
    all.filter((other) => other.device.serialNumber === serialNumber).length === 1 &&
    /^[\w.-]+$/.test(serialNumber ?? "");
  return chip !== undefined && isUnique ? `${chip.id}:${serialNumber}` : `usb:${portPath}`;
}

/**
 * Opens an adapter and the card behind it. Waits for it to appear if `options.waitMs` says so.
 * @throws TransportError TRANSPORT_NOT_FOUND, TRANSPORT_AMBIGUOUS with the list, and why it may not be opened; LockedError; BridgeError;
 * what opening a card throws
 */
export async function openAdapter(
  spec: AdapterSpec,
  options: OpenOptions,
  deps: AdapterDeps = {},
): Promise<OpenedDevice> {
  const { clock } = listOptions(deps);
  const { device } = await findAdapter(spec, options, deps);
  const channel = ftdiChannel(requireFtdiChip(device), spec.channel);
  const name = `usb:${device.portPath}/${channel.name}`;
  const lock = await lockAdapter(name, options);
  const journal = new IntentJournal(runtimeFile(name, options, "journal"), clock, options.log);
  try {
    const transport = await openUsb({
      device,
      interfaceNumber: channel.interfaceNumber,
      clock,
      log: options.log,
      ...(deps.load === undefined ? {} : { load: deps.load }),
    });
    const stack = await openCardStack({
      link: { kind: "usb", transport },
      family: "ftdi",
      settings: { channel: channel.name, hardwareWait: spec.hardwareWait },
      clock,
      options,
      deviceString: name,
      journal,
    });
    const close = (): Promise<void> => stack.close().finally(() => lock.release());
    return {
      ...stack,
      name,
      block: stack.card,
      notes: [...staleNote(lock), ...stack.notes],
      close,
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function staleNote(lock: Lock): string[] {
  return lock.wasStale
    ? ["note: the adapter's lock of a process that has died was taken over"]
    : [];
}

async function findAdapter(
  spec: AdapterSpec,
  options: OpenOptions,
  deps: AdapterDeps,
): Promise<UsbListing> {
  const { clock } = listOptions(deps);
  const deadline = deadlineIn(clock, options.waitMs ?? 0);
  for (;;) {
    try {
      return await findOnce(spec, deps);
    } catch (error) {
      if (errorCode(error) !== "TRANSPORT_NOT_FOUND" || expired(clock, deadline)) throw error;
      await clock.sleep(POLL_US);
    }
  }
}

async function findOnce(spec: AdapterSpec, deps: AdapterDeps): Promise<UsbListing> {
  const isAnyChip = spec.chip === undefined;
  const isNamed = spec.portPath !== undefined;
  // A port may hold a chip that cannot be used: the driver then says which one it is.
  const listings = await listUsb(listOptions(deps), (ids) =>
    isNamed ? isFtdiDevice(ids) : matchesChip(findFtdiChip(ids)?.id, spec.chip),
  );
  if (isAnyChip && !isNamed && listings.length === 0) throw noAdapter();
  return selectUsb(listings, spec, spec.chip?.toUpperCase() ?? "adapter");
}

function matchesChip(found: string | undefined, wanted: string | undefined): boolean {
  return found !== undefined && (wanted === undefined || found === wanted);
}

function noAdapter(): TransportError {
  return new TransportError("TRANSPORT_NOT_FOUND", "no adapter is plugged in", {
    details: { found: [] },
    hint: "plug in an FT232H, FT2232H or FT4232H, or give -d sim:card.img or -d image:card.img",
  });
}

/** One lock a channel, so that both channels of an FT2232H can be used at once. */
async function lockAdapter(name: string, options: OpenOptions): Promise<Lock> {
  return acquireLock(runtimeFile(name, options, "lock"), `the adapter ${name}`);
}
