import type { UsbControlSetup, UsbTransfer, UsbTransport } from "../../transport/types.js";
import type { Deadline } from "../../util/deadline.js";
import type { FtdiChannel } from "./chips.js";
import { inTransferBytes } from "./in-stream.js";
import { type SioRequests, sioRequests } from "./sio-requests.js";

const NO_DATA = new Uint8Array(0);

/** The three ways into one channel: control requests, and bytes out and in. */
export class FtdiPort {
  readonly sio: SioRequests;
  /** Of the IN endpoint: 512, or 64 behind a full-speed hub. */
  readonly packetSize: number;
  readonly #transport: UsbTransport;
  readonly #channel: FtdiChannel;

  constructor(transport: UsbTransport, channel: FtdiChannel) {
    this.#transport = transport;
    this.#channel = channel;
    this.sio = sioRequests(channel.controlIndex);
    this.packetSize = transport.packetSize(channel.inEndpoint);
  }

  control(setup: UsbControlSetup, deadline: Deadline): Promise<void> {
    return this.#transport.controlOut(setup, NO_DATA, deadline);
  }

  /** Levels of the low pins, past the engine; undefined if the chip gives none. */
  async readPins(deadline: Deadline): Promise<number | undefined> {
    const answer = await this.#transport.controlIn(this.sio.readPins, 1, deadline);
    return answer[0];
  }

  send(bytes: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    return this.#transport.bulkOut(this.#channel.outEndpoint, bytes, deadline);
  }

  /** An IN transfer with room for `payload` bytes besides the status bytes. */
  receive(payload: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    const length = inTransferBytes(payload, this.packetSize);
    return this.#transport.bulkIn(this.#channel.inEndpoint, length, deadline);
  }
}
