import type { UsbTransport } from "../../transport/types.js";

/** What can be served: a chip model that gives one transport for each of its interfaces. */
export interface ServableModel {
  readonly interfaces: readonly {
    readonly number: number;
    readonly endpoints: readonly number[];
  }[];
  /** @throws TransportError TRANSPORT_BUSY while the interface is claimed */
  transport(interfaceNumber: number): UsbTransport;
}
