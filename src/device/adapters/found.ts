import type { HidLoader } from "../../transport/hid-module.js";
import type { SerialLoader } from "../../transport/serial-module.js";
import type { UsbLoader } from "../../transport/usb-module.js";
import type { Clock } from "../../util/clock.js";
import type { MmcpstoreError } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import type { AdapterLink } from "../link.js";
import type { AdapterSpec } from "../spec.js";
import { adapterOfUsbId } from "./data.js";
import type { AdapterData, AdapterUsbId } from "./data-types.js";
import type { NodeSystem } from "./node-access.js";
import type { StepOutcome } from "./outcome.js";

/** What a test replaces. */
export interface BenchDeps {
  readonly clock?: Clock;
  readonly loadUsb?: UsbLoader;
  readonly loadHid?: HidLoader;
  readonly loadSerial?: SerialLoader;
  /** Default `/sys`. */
  readonly sysRoot?: string;
  /** Default `/dev`. */
  readonly devRoot?: string;
  readonly nodes?: NodeSystem;
}

/** An adapter that is plugged in, whichever way leads to it. */
export interface FoundAdapter {
  readonly adapter: AdapterData;
  readonly id: AdapterUsbId | undefined;
  /** As the maker writes it. */
  readonly chip: string;
  /** `FT232H FT7KQ2X1 at 1-3.2` */
  readonly text: string;
  readonly serialNumber: string | undefined;
  readonly portPath: string | undefined;
  /** Node that it is opened by: `/dev/bus/usb/001/017`, `/dev/hidraw0`, `/dev/ttyACM0`. */
  readonly node: string | undefined;
  readonly access: "ok" | "denied" | "busy";
  /** That is bound to the interface; `usbfs`: a program has claimed it. */
  readonly kernelDriver: string | undefined;
  /** FTDI: the one that was asked for, or that of the board, or the chip's first. */
  readonly channel?: string;
  /** Part of the lock's name: the same as whoever opens it for work uses. */
  readonly lockName: string;
  /** @throws TransportError TRANSPORT_BUSY if another program holds it */
  driver(): StepOutcome;
  /** Why the system does not let it be opened, if that was tried. */
  readonly error?: MmcpstoreError;
  open(clock: Clock, log: Log): Promise<AdapterLink>;
}

/** One of the three ways to adapters. */
export interface Way {
  /** The npm package that it needs. */
  readonly packageName: string;
  /** @throws TransportError TRANSPORT_PACKAGE */
  load(): Promise<unknown>;
  /** Adapters that fit chip and channel, of any serial number and port. */
  list(spec: AdapterSpec): Promise<readonly FoundAdapter[]>;
  /** Devices in a mode without SPI, as sentences with their fix. */
  refused(spec: AdapterSpec): Promise<readonly Refusal[]>;
}

/** A device that cannot be used, and what to do about it. */
export interface Refusal {
  readonly text: string;
  readonly fix: string;
  /** Absent: it only might be an adapter. */
  readonly device?: {
    readonly name: string;
    readonly portPath: string;
    readonly serialNumber?: string;
  };
}

/** `FT232H FT7KQ2X1 at 1-3.2` */
export function describeDevice(
  name: string,
  device: {
    readonly serialNumber?: string | undefined;
    readonly portPath?: string | undefined;
    readonly path?: string | undefined;
  },
): string {
  const { serialNumber, portPath, path } = device;
  const serial = serialNumber === undefined ? "" : ` ${serialNumber}`;
  const port = portPath === undefined ? "" : ` at ${portPath}`;
  return `${name}${serial}${port}${path === undefined ? "" : ` (${path})`}`;
}

/** The row of the data file for a device, by its ids. */
export function usbIdOf(ids: {
  readonly vendorId?: number | undefined;
  readonly productId?: number | undefined;
}): { adapter: AdapterData; id: AdapterUsbId } | undefined {
  const { vendorId = -1, productId = -1 } = ids;
  const adapter = adapterOfUsbId({ vendorId, productId });
  const id = adapter?.usbIds.find(
    (one) => one.vendorId === vendorId && one.productId === productId,
  );
  return adapter === undefined || id === undefined ? undefined : { adapter, id };
}
