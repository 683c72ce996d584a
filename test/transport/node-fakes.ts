import { EventEmitter } from "node:events";
import type { HidModule, NativeHid } from "../../src/transport/hid-module.js";
import type { NativePort, SerialModule } from "../../src/transport/serial-module.js";

type Done = (error?: Error | null) => void;

/** An `HIDAsync` whose device the test plays. */
export class FakeHid extends EventEmitter implements NativeHid {
  readonly written: Buffer[] = [];
  closed = 0;
  /** What a write does; `hang`: it never comes back. */
  writing: "works" | "fails" | "hang" = "works";
  closing: "works" | "fails" | "hang" = "works";

  write(report: Buffer): Promise<number> {
    this.written.push(Buffer.from(report));
    if (this.writing === "fails") return Promise.reject(new Error("could not write to HID device"));
    if (this.writing === "hang") return new Promise(() => undefined);
    return Promise.resolve(report.length);
  }

  close(): Promise<void> {
    this.closed++;
    if (this.closing === "fails") return Promise.reject(new Error("device has been closed"));
    if (this.closing === "hang") return new Promise(() => undefined);
    return Promise.resolve();
  }

  send(report: Uint8Array): void {
    this.emit("data", Buffer.from(report));
  }

  module(): Promise<HidModule> {
    return Promise.resolve({ open: () => Promise.resolve(this) });
  }
}

/** A `SerialPort` whose line the test plays. */
export class FakePort extends EventEmitter implements NativePort {
  isOpen = false;
  created: { readonly path: string; readonly baudRate: number } | undefined;
  readonly written: Buffer[] = [];
  readonly rates: number[] = [];
  drains = 0;
  lines: unknown;
  /** Of the next calls; `undefined` as an answer: never. */
  openError: Error | null = null;
  writeError: Error | null = null;
  getError: Error | null = null;
  answers = true;

  open(done: Done): void {
    if (!this.answers) return;
    this.isOpen = this.openError === null;
    done(this.openError);
  }

  write(data: Buffer, done: Done): void {
    this.written.push(Buffer.from(data));
    if (this.answers) done(this.writeError);
  }

  drain(done: Done): void {
    this.drains++;
    if (this.answers) done(null);
  }

  update({ baudRate }: { readonly baudRate: number }, done: Done): void {
    this.rates.push(baudRate);
    if (this.answers) done(this.writeError);
  }

  set(lines: unknown, done: Done): void {
    this.lines = lines;
    done(new Error("inappropriate ioctl for device"));
  }

  get(done: Done): void {
    done(this.getError);
  }

  close(done: Done): void {
    this.isOpen = false;
    if (this.answers) done(null);
  }

  /** The line vanishes. */
  vanish(): void {
    this.isOpen = false;
    this.emit("close", new Error("disconnected"));
  }

  module(): Promise<SerialModule> {
    return Promise.resolve({
      create: (options) => {
        this.created = options;
        return this;
      },
    });
  }
}
