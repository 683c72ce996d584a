import type {
  NativeDevice,
  NativeInterface,
  NativeTransfer,
  TransferCallback,
  UsbModule,
} from "../../src/transport/usb-module.js";

/** As the package throws them: an Error with libusb's number. */
export function libusbError(errno: number): Error {
  return Object.assign(new Error(`LIBUSB ${errno}`), { errno });
}

/** A transfer that was submitted, to be completed by the test. */
export interface Submitted {
  readonly endpoint: number;
  readonly type: number;
  readonly timeoutMs: number;
  readonly buffer: Buffer;
  readonly cancelled: boolean;
  /** It was given back. */
  readonly over: boolean;
  /** Gives it back: with data (IN), with a number of bytes sent (OUT), or with an errno. */
  complete(result: Uint8Array | number): void;
  fail(errno: number): void;
}

class FakeTransfer implements NativeTransfer, Submitted {
  readonly endpoint: number;
  readonly type: number;
  readonly timeoutMs: number;
  buffer: Buffer = Buffer.alloc(0);
  cancelled = false;
  over = false;
  readonly #usb: FakeUsb;
  readonly #callback: TransferCallback;

  constructor(
    usb: FakeUsb,
    endpoint: number,
    type: number,
    timeoutMs: number,
    callback: TransferCallback,
  ) {
    this.#usb = usb;
    this.endpoint = endpoint;
    this.type = type;
    this.timeoutMs = timeoutMs;
    this.#callback = callback;
  }

  submit(buffer: Buffer): void {
    if (this.#usb.submitErrno !== undefined) throw libusbError(this.#usb.submitErrno);
    this.buffer = buffer;
    this.#usb.submitted.push(this);
    this.#usb.answer?.(this);
  }

  cancel(): boolean {
    if (this.over) return false;
    this.cancelled = true;
    if (!this.#usb.losesCancelled) queueMicrotask(() => this.fail(3));
    return true;
  }

  complete(result: Uint8Array | number): void {
    if (this.over) return;
    this.over = true;
    const actual = typeof result === "number" ? result : result.length;
    if (typeof result !== "number") this.buffer.set(result, this.type === 0 ? 8 : 0);
    this.#callback(undefined, this.buffer, actual);
  }

  fail(errno: number): void {
    if (this.over) return;
    this.over = true;
    this.#callback(libusbError(errno), this.buffer, 0);
  }
}

export interface FakeDeviceOptions {
  readonly vendorId?: number;
  readonly productId?: number;
  readonly bcdDevice?: number;
  readonly ports?: readonly number[] | undefined;
  readonly openErrno?: number;
  readonly claimErrno?: number;
  readonly releaseErrno?: number;
  /** `release` throws, or never calls back. */
  readonly release?: "throws" | "hangs";
  readonly attachErrno?: number;
  readonly closeErrno?: number;
  readonly kernelDriver?: boolean;
  /** What `isKernelDriverActive` throws: -12 where there are none. */
  readonly driverErrno?: number;
}

/** An FTDI-like device; keeps a log of what is done to it. */
export class FakeDevice implements NativeDevice {
  readonly busNumber = 1;
  readonly deviceAddress = 7;
  readonly portNumbers: readonly number[] | undefined;
  readonly deviceDescriptor: NativeDevice["deviceDescriptor"];
  readonly log: string[] = [];
  isOpen = false;
  readonly #options: FakeDeviceOptions;

  constructor(options: FakeDeviceOptions = {}) {
    this.#options = options;
    this.portNumbers = "ports" in options ? options.ports : [3, 4];
    this.deviceDescriptor = {
      idVendor: options.vendorId ?? 0x0403,
      idProduct: options.productId ?? 0x6014,
      bcdDevice: options.bcdDevice ?? 0x0900,
      iManufacturer: 1,
      iProduct: 2,
      iSerialNumber: 3,
    };
  }

  open(): void {
    if (this.#options.openErrno !== undefined) throw libusbError(this.#options.openErrno);
    this.log.push("open");
    this.isOpen = true;
  }

  close(): void {
    this.log.push("close");
    this.isOpen = false;
    if (this.#options.closeErrno !== undefined) throw libusbError(this.#options.closeErrno);
  }

  interface(interfaceNumber: number): NativeInterface {
    if (interfaceNumber > 1) throw new Error(`Interface not found for address: ${interfaceNumber}`);
    const { claimErrno, driverErrno, kernelDriver, releaseErrno } = this.#options;
    const first = interfaceNumber * 2;
    const log = (what: string): number => this.log.push(`${what} ${interfaceNumber}`);
    return {
      endpoints: [
        { address: 0x81 + first, descriptor: { wMaxPacketSize: 512 } },
        { address: 0x02 + first, descriptor: { wMaxPacketSize: 512 } },
      ],
      claim: () => {
        if (claimErrno !== undefined) throw libusbError(claimErrno);
        log("claim");
      },
      release: (callback) => {
        log("release");
        if (this.#options.release === "throws") throw libusbError(-4);
        if (this.#options.release === "hangs") return;
        queueMicrotask(() =>
          callback(releaseErrno === undefined ? undefined : libusbError(releaseErrno)),
        );
      },
      isKernelDriverActive: () => {
        if (driverErrno !== undefined) throw libusbError(driverErrno);
        return kernelDriver ?? false;
      },
      detachKernelDriver: () => log("detach"),
      attachKernelDriver: () => {
        log("attach");
        if (this.#options.attachErrno !== undefined) throw libusbError(this.#options.attachErrno);
      },
    };
  }
}

/** The package `usb`, in memory. */
export class FakeUsb implements UsbModule {
  readonly submitted: Submitted[] = [];
  /** Called at each submission: to answer at once. */
  answer: ((transfer: Submitted) => void) | undefined;
  submitErrno: number | undefined;
  /** A cancelled transfer never comes back. */
  losesCancelled = false;
  readonly #devices: readonly NativeDevice[];

  constructor(...devices: NativeDevice[]) {
    this.#devices = devices;
  }

  getDeviceList(): readonly NativeDevice[] {
    return this.#devices;
  }

  createTransfer(
    _device: NativeDevice,
    endpoint: number,
    type: number,
    timeoutMs: number,
    callback: TransferCallback,
  ): NativeTransfer {
    return new FakeTransfer(this, endpoint, type, timeoutMs, callback);
  }

  load(): Promise<UsbModule> {
    return Promise.resolve(this);
  }
}

/** Answers string descriptor requests like a device with these strings; stalls for those it has not. */
export function answerStrings(
  strings: Readonly<Record<number, string>>,
): (transfer: Submitted) => void {
  return (transfer: Submitted): void => {
    if (transfer.type !== 0) return;
    const text = strings[transfer.buffer.readUInt16LE(2) & 0xff];
    if (text === undefined) {
      queueMicrotask(() => transfer.fail(4));
      return;
    }
    const body = Buffer.from(text, "utf16le");
    queueMicrotask(() => transfer.complete(Buffer.from([2 + body.length, 3, ...body])));
  };
}
