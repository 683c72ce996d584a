import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../util/clock.js";
import { errorCode, toError } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import type { ExportedDevice, PlacedDevice } from "./exported-device.js";
import { ImportedDevice } from "./imported-device.js";
import {
  type DeviceRecord,
  encodeDevlist,
  encodeImportReply,
  OP_STATUS,
  type Operation,
  type OpStatus,
} from "./protocol.js";
import { UsbipError, UsbipReader } from "./reader.js";

export interface SessionParts {
  readonly stream: Duplex;
  readonly devices: readonly PlacedDevice[];
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when sessions that are over have let go of their devices. */
  readonly turn: () => Promise<void>;
}

/** A client that does not say what it wants is in the way. */
const OPERATION_US = 10_000_000;
const BUSY_RETRY_US = 20_000;
/** What a client may leave unread. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

/** One connection: one operation, and the URBs of a device if it was an import. Its end, however it comes, is the cable being pulled on the host's side. */
export class UsbipSession {
  /** Resolves when the connection is over and its device free again. */
  readonly ended: Promise<void>;
  readonly #parts: SessionParts;
  readonly #reader = new UsbipReader();
  readonly #patience: Timer;
  #imported: ImportedDevice | undefined;
  #busid: string | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { stream, log, clock } = parts;
    this.#patience = clock.timer(OPERATION_US, () => this.#drop("it asked for nothing"));
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    stream.on("error", (error) => log.debug({ error }, "USB/IP connection failed"));
    stream.on("end", () => stream.destroy());
    this.ended = new Promise<void>((resolve) => stream.on("close", resolve)).then(() =>
      this.#end(),
    );
  }

  /** The connection is over; its device may not be free yet. */
  get over(): boolean {
    return this.#parts.stream.destroyed;
  }

  /** The device that it has imported, or is about to. */
  get busid(): string | undefined {
    return this.#busid;
  }

  /** Ends the connection: for the client the device is unplugged. */
  destroy(): void {
    this.#parts.stream.destroy();
  }

  async #end(): Promise<void> {
    this.#patience.cancel();
    await this.#imported?.close();
  }

  #receive(chunk: Uint8Array): void {
    this.#reader.push(chunk);
    this.#work();
  }

  #work(): void {
    try {
      if (this.#imported === undefined) this.#operation();
      else this.#commands(this.#imported);
    } catch (error) {
      if (!(error instanceof UsbipError)) throw error;
      this.#drop(error.message);
    }
  }

  #drop(reason: string): void {
    this.#parts.log.warn({ reason, busid: this.#busid }, "USB/IP client dropped");
    this.destroy();
  }

  #operation(): void {
    const operation = this.#reader.operation();
    if (operation === undefined) return;
    this.#patience.cancel();
    // Nothing more is due before the answer.
    this.#parts.stream.pause();
    this.#perform(operation).catch((error: unknown) => {
      this.#parts.log.error({ error: toError(error) }, "USB/IP operation failed");
      this.destroy();
    });
  }

  async #perform(operation: Operation): Promise<void> {
    const { stream, devices } = this.#parts;
    if (operation.kind === "devlist") {
      stream.end(encodeDevlist(devices.map(({ record }) => record)));
      return;
    }
    const answer = await this.#import(operation.busid);
    if (stream.destroyed) return;
    if (typeof answer === "number") {
      stream.end(encodeImportReply(answer));
      return;
    }
    stream.write(encodeImportReply(answer));
    stream.resume();
    // A client that did not wait for the answer.
    this.#work();
  }

  async #import(busid: string): Promise<DeviceRecord | Exclude<OpStatus, 0>> {
    const placed = this.#parts.devices.find(({ record }) => record.busid === busid);
    if (placed === undefined) return OP_STATUS.noDevice;
    this.#busid = busid;
    try {
      const usbFunction = await this.#claim(placed.device);
      const imported = new ImportedDevice({
        placed,
        usbFunction,
        log: this.#parts.log,
        send: (bytes) => this.#send(bytes),
        gone: (reason) => this.#drop(reason),
      });
      if (this.over) await imported.close();
      else this.#imported = imported;
      return placed.record;
    } catch (error) {
      this.#busid = undefined;
      this.#parts.log.info({ busid, error: toError(error) }, "USB/IP import refused");
      return errorCode(error) === "TRANSPORT_BUSY" ? OP_STATUS.busy : OP_STATUS.deviceError;
    }
  }

  /** The end of the client before may not have been noticed yet: what is busy is asked for twice. */
  async #claim(device: ExportedDevice): Promise<ReturnType<ExportedDevice["claim"]>> {
    const { clock, turn } = this.#parts;
    await turn();
    try {
      return device.claim();
    } catch (error) {
      if (errorCode(error) !== "TRANSPORT_BUSY") throw error;
      await clock.sleep(BUSY_RETRY_US);
      await turn();
      return device.claim();
    }
  }

  #commands(imported: ImportedDevice): void {
    for (;;) {
      const command = this.#reader.command();
      if (command === undefined || this.over) return;
      imported.take(command);
    }
  }

  #send(bytes: Uint8Array): void {
    const { stream } = this.#parts;
    if (!stream.writable) return;
    stream.write(bytes);
    if (stream.writableLength > MAX_UNREAD_BYTES) this.#drop("it does not read what it asked for");
  }
}
