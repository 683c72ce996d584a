import { toError } from "../util/errors.js";
import { packageMissing } from "./native-package.js";

type Done = (error?: Error | null) => void;

/** The slice of a `SerialPort` of the package `serialport` 13 that is used; tests give their own. */
export interface NativePort {
  readonly isOpen: boolean;
  open(done: Done): void;
  write(data: Buffer, done: Done): unknown;
  drain(done: Done): void;
  update(options: { readonly baudRate: number }, done: Done): void;
  set(options: { readonly dtr: boolean; readonly rts: boolean }, done: Done): void;
  /** Modem lines. */
  get(done: Done): void;
  close(done: Done): void;
  on(event: "data", handle: (data: Buffer) => void): unknown;
  on(event: "close", handle: (error?: Error | null) => void): unknown;
  on(event: "error", handle: (error: Error) => void): unknown;
}

export interface SerialModule {
  /** Not open yet. */
  create(options: { readonly path: string; readonly baudRate: number }): NativePort;
}

export type SerialLoader = () => Promise<SerialModule>;

/**
 * The loader of the real package: native, so loaded only when a port is opened.
 * @throws TransportError TRANSPORT_PACKAGE
 */
export const loadSerial: SerialLoader = async () => {
  try {
    const { SerialPort } = await import("serialport");
    return {
      create: ({ path, baudRate }) =>
        new SerialPort({ path, baudRate, autoOpen: false, lock: true }) as unknown as NativePort,
    };
  } catch (error) {
    throw packageMissing("serialport", toError(error), "libstdc++6 libudev1");
  }
};
