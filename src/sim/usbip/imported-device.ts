import type { UsbTransfer } from "../../transport/types.js";
import { errorCode, toError } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import { ControlEndpoint, parseSetup } from "./control-endpoint.js";
import { endpointOf } from "./descriptors.js";
import type { PlacedDevice } from "./exported-device.js";
import { detachable, type UsbFunction } from "./function.js";
import {
  devidOf,
  encodeSubmitted,
  encodeUnlinked,
  type SubmitCommand,
  type UnlinkCommand,
  URB_STATUS,
  type UrbCommand,
  type UrbStatus,
} from "./protocol.js";
import { UsbipError } from "./reader.js";

export interface ImportParts {
  readonly placed: PlacedDevice;
  readonly usbFunction: UsbFunction;
  readonly log: Log;
  readonly send: (bytes: Uint8Array) => void;
  /** The device has been unplugged from its own side. */
  readonly gone: (reason: string) => void;
}

/** A URB that the device has not answered yet. */
interface Pending {
  readonly command: SubmitCommand;
  readonly transfer: UsbTransfer<Uint8Array | undefined>;
  /** The command that asked for its end. */
  unlinkedBy: number | undefined;
}

/** More than any host controller lets wait at one device. */
const MAX_PENDING = 4096;
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
const IN_BIT = 0x80;
const NO_DATA: Uint8Array = new Uint8Array(0);

/** The URBs of one import: each is answered once, those of one endpoint in order, unless it is unlinked before. */
export class ImportedDevice {
  readonly #parts: ImportParts;
  readonly #control: ControlEndpoint;
  readonly #devid: number;
  readonly #pending: Map<number, Pending> = new Map();
  #pendingBytes = 0;

  constructor(parts: ImportParts) {
    this.#parts = parts;
    this.#control = new ControlEndpoint(parts.placed.device.table, parts.usbFunction);
    this.#devid = devidOf(parts.placed.record);
  }

  /** @throws UsbipError for what no host would ask */
  take(command: UrbCommand): void {
    if (command.devid !== this.#devid) throw new UsbipError(`device ${command.devid}`);
    if (command.kind === "unlink") this.#unlink(command);
    else this.#submit(command);
  }

  async close(): Promise<void> {
    await this.#parts.usbFunction.close();
  }

  #submit(command: SubmitCommand): void {
    const { seqnum, length } = command;
    if (this.#pending.has(seqnum)) throw new UsbipError(`URB ${seqnum} is under way already`);
    if (this.#pending.size >= MAX_PENDING || this.#pendingBytes + length > MAX_PENDING_BYTES) {
      this.#answer(command, URB_STATUS.noMemory);
      return;
    }
    const transfer = this.#start(command);
    if (transfer === undefined) {
      this.#answer(command, URB_STATUS.stall);
      return;
    }
    const pending: Pending = { command, transfer, unlinkedBy: undefined };
    this.#pending.set(seqnum, pending);
    this.#pendingBytes += length;
    transfer.done.then(
      (data) => this.#settled(pending, URB_STATUS.ok, data ?? NO_DATA),
      (error: unknown) => this.#failed(pending, error),
    );
  }

  /** undefined: there is no such endpoint. */
  #start(command: SubmitCommand): UsbTransfer<Uint8Array | undefined> | undefined {
    const { endpoint, direction, data, length } = command;
    if (endpoint === 0) return detachable(this.#controlled(command));
    const address = endpoint | (direction === "in" ? IN_BIT : 0);
    const { placed, usbFunction } = this.#parts;
    if (endpointOf(placed.device.table, address) === undefined) return undefined;
    if (direction === "in") return usbFunction.receive(address, length);
    return usbFunction.send(address, data) as UsbTransfer<undefined>;
  }

  async #controlled(command: SubmitCommand): Promise<Uint8Array | undefined> {
    const { setup, length } = parseSetup(command.setup);
    const isIn = (setup.requestType & IN_BIT) !== 0;
    if (isIn) return this.#control.in(setup, Math.min(length, command.length));
    await this.#control.out(setup, command.data);
    return undefined;
  }

  #failed(pending: Pending, error: unknown): void {
    const code = errorCode(error);
    if (code === "TRANSPORT_CANCELLED" && pending.unlinkedBy !== undefined) {
      this.#forget(pending);
      this.#parts.send(encodeUnlinked(pending.unlinkedBy, URB_STATUS.unlinked));
      return;
    }
    if (code !== "TRANSPORT_STALL")
      this.#parts.log.debug({ error: toError(error) }, "USB/IP transfer failed");
    this.#settled(pending, statusOf(code), NO_DATA);
    if (code === "TRANSPORT_DISCONNECTED") this.#parts.gone("the device was unplugged");
  }

  #settled(pending: Pending, status: UrbStatus, data: Uint8Array): void {
    const { command, unlinkedBy } = pending;
    this.#forget(pending);
    // More than was asked for would be taken for the next message.
    const overflow = data.length > command.length;
    this.#answer(command, overflow ? URB_STATUS.overflow : status, overflow ? NO_DATA : data);
    // It was over before the unlink could reach it.
    if (unlinkedBy !== undefined) this.#parts.send(encodeUnlinked(unlinkedBy, URB_STATUS.ok));
  }

  #forget({ command }: Pending): void {
    this.#pending.delete(command.seqnum);
    this.#pendingBytes -= command.length;
  }

  #answer({ seqnum, direction, length }: SubmitCommand, status: UrbStatus, data = NO_DATA): void {
    const sent = direction === "out" && status === URB_STATUS.ok ? length : 0;
    const isIn = direction === "in";
    const actual = isIn ? data.length : sent;
    this.#parts.send(encodeSubmitted(seqnum, status, actual, isIn ? data : NO_DATA));
  }

  #unlink({ seqnum, victim }: UnlinkCommand): void {
    const pending = this.#pending.get(victim);
    if (pending === undefined || pending.unlinkedBy !== undefined) {
      this.#parts.send(encodeUnlinked(seqnum, URB_STATUS.ok));
      return;
    }
    pending.unlinkedBy = seqnum;
    pending.transfer.cancel();
  }
}

function statusOf(code: string | undefined): UrbStatus {
  if (code === "TRANSPORT_STALL") return URB_STATUS.stall;
  if (code === "TRANSPORT_DISCONNECTED") return URB_STATUS.gone;
  if (code === "TRANSPORT_CANCELLED") return URB_STATUS.unlinked;
  return URB_STATUS.protocol;
}
