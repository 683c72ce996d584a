import type { Clock } from "../util/clock.js";
import { type Deadline, deadlineIn } from "../util/deadline.js";
import { toError } from "../util/errors.js";
import { type Log, silentLog } from "../util/log.js";
import { bounded, Ending } from "./bounded.js";
import { type HidLoader, loadHid, type NativeHid } from "./hid-module.js";
import { Inbox } from "./inbox.js";
import { requireNode } from "./node-access.js";
import { type HidDeviceInfo, type HidTransport, TransportError } from "./types.js";

export interface HidOpenOptions {
  readonly device: HidDeviceInfo;
  readonly clock: Clock;
  readonly log?: Log;
  /** Default 3 s. */
  readonly deadline?: Deadline;
  /** Default: the package `node-hid`. */
  readonly load?: HidLoader;
}

const OPEN_MS = 3000;
const CLOSE_MS = 1000;
const RULE = {
  group: "plugdev",
  udev: 'KERNEL=="hidraw*", ATTRS{idVendor}=="04d8", ATTRS{idProduct}=="00de", TAG+="uaccess"',
} as const;

/**
 * Opens a HID device with unnumbered reports.
 * @throws TransportError TRANSPORT_PACKAGE, TRANSPORT_NOT_FOUND, TRANSPORT_ACCESS, TRANSPORT_FAULT, TRANSPORT_TIMEOUT
 */
export async function openHid(options: HidOpenOptions): Promise<HidTransport> {
  const { device, clock, log = silentLog } = options;
  await requireNode(device.path, RULE);
  const module = await (options.load ?? loadHid)();
  const deadline = options.deadline ?? deadlineIn(clock, OPEN_MS);
  const work = module.open(device.path).catch((cause: unknown) => {
    const { message } = toError(cause);
    throw new TransportError("TRANSPORT_FAULT", `${device.path} cannot be opened: ${message}`, {
      cause,
    });
  });
  const native = await bounded(clock, deadline, `opening ${device.path}`, work);
  return new OpenHid(native, device, clock, log);
}

class OpenHid implements HidTransport {
  readonly device: HidDeviceInfo;
  readonly #native: NativeHid;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inbox: Inbox;
  readonly #ending = new Ending();
  #closing: Promise<void> | undefined;

  constructor(native: NativeHid, device: HidDeviceInfo, clock: Clock, log: Log) {
    this.device = device;
    this.#native = native;
    this.#clock = clock;
    this.#log = log;
    this.#inbox = new Inbox(clock, device.path);
    native.on("error", (error) => this.#gone(error));
    native.on("data", (report) => this.#inbox.push(Uint8Array.from(report)));
  }

  async writeReport(report: Uint8Array, deadline: Deadline): Promise<void> {
    const numbered = Buffer.alloc(report.length + 1);
    numbered.set(report, 1);
    const what = `writing to ${this.device.path}`;
    const work = this.#native.write(numbered).catch((cause: unknown) => {
      this.#gone(cause);
      throw disconnected(this.device.path, cause);
    });
    await bounded(this.#clock, deadline, what, work, this.#ending);
  }

  readReport(deadline: Deadline): Promise<Uint8Array> {
    return this.#inbox.piece(deadline);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #gone(cause: unknown): void {
    this.#ended(disconnected(this.device.path, cause));
  }

  #ended(error: TransportError): void {
    this.#ending.end(error);
    this.#inbox.fail(error);
  }

  async #close(): Promise<void> {
    this.#ended(new TransportError("TRANSPORT_CANCELLED", `${this.device.path} was closed`));
    const work = this.#native.close();
    const deadline = deadlineIn(this.#clock, CLOSE_MS);
    await bounded(this.#clock, deadline, `closing ${this.device.path}`, work).catch(
      (error: unknown) => this.#log.debug({ error: toError(error).message }, "HID device"),
    );
  }
}

function disconnected(path: string, cause: unknown): TransportError {
  return new TransportError("TRANSPORT_DISCONNECTED", `${path} is gone`, {
    cause,
    hint: "plug the adapter in again",
  });
}
