import type { InterfaceTable } from "../descriptors.js";

/** Endpoint addresses of a CDC-ACM port. */
export interface CdcEndpoints {
  readonly notify: number;
  readonly in: number;
  readonly out: number;
  /** wMaxPacketSize of the data endpoints. */
  readonly packetSize: number;
}

const CS_INTERFACE = 0x24;
/** Line coding and control lines, and SEND_BREAK, without which Linux programs cannot set control lines (usb.md section 2). */
const ACM_CAPABILITIES = 0x06;

/** The two interfaces of a serial port (CDC PSTN 1.20), the first of them with this number. */
export function cdcInterfaces(first: number, endpoints: CdcEndpoints): InterfaceTable[] {
  const data = first + 1;
  const { notify, in: inAddress, out, packetSize } = endpoints;
  return [
    {
      classes: [2, 2, 1],
      associated: 2,
      classDescriptors: Uint8Array.from([
        ...[5, CS_INTERFACE, 0x00, 0x10, 0x01],
        ...[5, CS_INTERFACE, 0x01, 0, data],
        ...[4, CS_INTERFACE, 0x02, ACM_CAPABILITIES],
        ...[5, CS_INTERFACE, 0x06, first, data],
      ]),
      endpoints: [{ address: notify, transfer: "interrupt", packetSize: 16, interval: 10 }],
    },
    {
      classes: [10, 0, 0],
      endpoints: [
        { address: inAddress, transfer: "bulk", packetSize },
        { address: out, transfer: "bulk", packetSize },
      ],
    },
  ];
}
