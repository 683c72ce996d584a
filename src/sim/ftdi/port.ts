import { STATUS_BYTES } from "../../bridge/ftdi/decoder.js";
import type { UsbDeviceInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { BulkPort, type PortCounters } from "../usb/bulk-port.js";
import type { UsbLink } from "../usb/link.js";
import type { TransferChip } from "../usb/transfers.js";
import type { FtdiChannel } from "./channel.js";
import type { FtdiCounters } from "./counters.js";
import { type FaultPlan, flipPayloadBit } from "./faults.js";
import type { Report } from "./violations.js";

/** What a port needs of its model. */
export interface PortParts {
  readonly interfaceNumber: number;
  readonly device: UsbDeviceInfo;
  readonly packetSize: number;
  readonly clock: Clock;
  readonly channel: FtdiChannel;
  readonly link: UsbLink;
  readonly counters: FtdiCounters;
  readonly faults: FaultPlan;
  readonly report: Report;
  /** Called before each submission: the model may be unplugged by it. */
  readonly submitting: () => void;
  readonly released: () => void;
}

/** One claimed interface of the model, as a driver sees it. */
export class FtdiPort extends BulkPort {
  constructor(parts: PortParts) {
    const { interfaceNumber, packetSize, report } = parts;
    super({
      ...parts,
      endpoints: { out: 2 * interfaceNumber + 2, in: 0x80 + 2 * interfaceNumber + 1 },
      chip: transfersOf(parts.channel),
      counters: payloadCounters(parts),
      oddInLength: (length, atUs) =>
        report("in-length", atUs, `IN of ${length} bytes, packets of ${packetSize}`),
      flipIn: (transfer, bit) => flipPayloadBit(transfer, packetSize, bit),
    });
  }
}

function transfersOf(channel: FtdiChannel): TransferChip {
  return {
    outArrives: (arrival, atUs) => channel.outArrives(arrival, atUs),
    inArrives: (arrival, atUs) => channel.inArrives(arrival, atUs),
    outCancelled: (arrival, atUs) => channel.outCancelled(arrival, atUs),
    inCancelled: (arrival, atUs) => channel.inCancelled(arrival, atUs),
    control: (setup, _data, atUs) => channel.control(setup, atUs),
  };
}

/** Status bytes are no payload. */
function payloadCounters({ counters, packetSize }: PortParts): PortCounters {
  return {
    submitted: (endpoint) => counters.submitted(endpoint),
    controlDone: () => counters.controlDone(),
    outDone: (data) => counters.outDone(data.length),
    inDone: ({ length }) => counters.inDone(length - STATUS_BYTES * Math.ceil(length / packetSize)),
  };
}
