import type { UsbControlSetup } from "../../transport/types.js";
import { viewOf } from "../../util/bytes.js";
import {
  CONFIGURATION_VALUE,
  configurationDescriptor,
  DESCRIPTOR,
  type DeviceTable,
  deviceDescriptor,
  endpointOf,
  hidDescriptor,
  type InterfaceTable,
  stringDescriptor,
} from "./descriptors.js";
import { stalled, type UsbFunction } from "./function.js";

const TYPE_BITS = 0x60;
const RECIPIENT_BITS = 0x1f;
const RECIPIENT = { device: 0, interface: 1, endpoint: 2 } as const;

/** Standard requests (USB 2.0 table 9-4). */
const REQUEST = {
  getStatus: 0,
  clearFeature: 1,
  setFeature: 3,
  getDescriptor: 6,
  getConfiguration: 8,
  setConfiguration: 9,
  getInterface: 10,
  setInterface: 11,
} as const;

const STATUS: Uint8Array = Uint8Array.of(0, 0);

/** The setup stage in a URB's header. */
export function parseSetup(bytes: Uint8Array): { setup: UsbControlSetup; length: number } {
  const view = viewOf(bytes);
  const setup = {
    requestType: view.getUint8(0),
    request: view.getUint8(1),
    value: view.getUint16(2, true),
    index: view.getUint16(4, true),
  };
  return { setup, length: view.getUint16(6, true) };
}

/** Endpoint 0 of an exported device: standard requests from its descriptors, all others from its function. */
export class ControlEndpoint {
  readonly #table: DeviceTable;
  readonly #function: UsbFunction;
  #configuration = 0;

  constructor(table: DeviceTable, usbFunction: UsbFunction) {
    this.#table = table;
    this.#function = usbFunction;
  }

  /** The data stage of an IN request, at most `length` bytes. @throws TransportError TRANSPORT_STALL, and what the function throws */
  async in(setup: UsbControlSetup, length: number): Promise<Uint8Array> {
    const answer = isStandard(setup)
      ? this.#get(setup)
      : await this.#function.controlIn(setup, length);
    if (answer === undefined) throw stalled(setup);
    return answer.subarray(0, length);
  }

  /** @throws TransportError TRANSPORT_STALL, and what the function throws */
  async out(setup: UsbControlSetup, data: Uint8Array): Promise<void> {
    if (!isStandard(setup)) return this.#function.controlOut(setup, data);
    if (!this.#set(setup)) throw stalled(setup);
  }

  #get(setup: UsbControlSetup): Uint8Array | undefined {
    switch (setup.request) {
      case REQUEST.getStatus:
        return this.#exists(setup) ? STATUS : undefined;
      case REQUEST.getDescriptor:
        return this.#descriptor(setup);
      case REQUEST.getConfiguration:
        return Uint8Array.of(this.#configuration);
      case REQUEST.getInterface:
        return this.#interface(setup) === undefined ? undefined : Uint8Array.of(0);
      default:
        return undefined;
    }
  }

  /** True if the request is one that this device takes. */
  #set(setup: UsbControlSetup): boolean {
    switch (setup.request) {
      case REQUEST.setConfiguration:
        if (setup.value !== 0 && setup.value !== CONFIGURATION_VALUE) return false;
        this.#configuration = setup.value;
        return true;
      case REQUEST.setInterface:
        return setup.value === 0 && this.#interface(setup) !== undefined;
      case REQUEST.clearFeature:
      case REQUEST.setFeature:
        return this.#exists(setup);
      default:
        return false;
    }
  }

  #descriptor(setup: UsbControlSetup): Uint8Array | undefined {
    const [type, index] = [setup.value >> 8, setup.value & 0xff];
    if (type === DESCRIPTOR.device) return deviceDescriptor(this.#table);
    if (type === DESCRIPTOR.configuration && index === 0)
      return configurationDescriptor(this.#table);
    if (type === DESCRIPTOR.string) return stringDescriptor(this.#table, index);
    const report = this.#interface(setup)?.reportDescriptor;
    if (report === undefined) return undefined;
    if (type === DESCRIPTOR.report) return report;
    return type === DESCRIPTOR.hid ? hidDescriptor(report) : undefined;
  }

  /** The interface that a request is to. */
  #interface({ requestType, index }: UsbControlSetup): InterfaceTable | undefined {
    if ((requestType & RECIPIENT_BITS) !== RECIPIENT.interface) return undefined;
    return this.#table.interfaces[index & 0xff];
  }

  #exists(setup: UsbControlSetup): boolean {
    const recipient = setup.requestType & RECIPIENT_BITS;
    if (recipient === RECIPIENT.device) return true;
    if (recipient === RECIPIENT.interface) return this.#interface(setup) !== undefined;
    const address = setup.index & 0xff;
    return (address & 0x0f) === 0 || endpointOf(this.#table, address) !== undefined;
  }
}

function isStandard({ requestType }: UsbControlSetup): boolean {
  return (requestType & TYPE_BITS) === 0;
}
