import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "../../src/transport/types.js";
import type { Clock } from "../../src/util/clock.js";

/** A loop-back device: what goes to endpoint 2 comes back on 0x81, half a millisecond later; request 9 stalls. */
export class EchoUsb implements UsbTransport {
  readonly device: UsbDeviceInfo = {
    vendorId: 0x0403,
    productId: 0x6014,
    bcdDevice: 0x0900,
    portPath: "1-1",
  };
  readonly #clock: Clock;
  readonly #queue: Uint8Array[] = [];
  readonly #readers: ((data: Uint8Array) => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  packetSize(): number {
    return 512;
  }

  async controlOut(setup: UsbControlSetup): Promise<void> {
    await this.#clock.sleep(50);
    if (setup.request === 9)
      throw new TransportError("TRANSPORT_STALL", "the device refused request 9");
  }

  async controlIn(_setup: UsbControlSetup, length: number): Promise<Uint8Array> {
    await this.#clock.sleep(50);
    return new Uint8Array(length).fill(0x5a);
  }

  bulkOut(_endpoint: number, data: Uint8Array): UsbTransfer<void> {
    const done = this.#clock.sleep(500).then(() => {
      this.#queue.push(data.slice());
      this.#serve();
    });
    return { done, cancel: () => undefined };
  }

  bulkIn(): UsbTransfer<Uint8Array> {
    let cancel: () => void = () => undefined;
    const done = new Promise<Uint8Array>((resolve, reject) => {
      this.#readers.push(resolve);
      cancel = () => {
        this.#readers.splice(this.#readers.indexOf(resolve), 1);
        reject(new TransportError("TRANSPORT_CANCELLED", "cancelled"));
      };
    });
    this.#serve();
    return { done, cancel };
  }

  #serve(): void {
    while (this.#queue.length > 0 && this.#readers.length > 0) {
      const data = this.#queue.shift() as Uint8Array;
      this.#readers.shift()?.(data);
    }
  }

  async close(): Promise<void> {}
}
