import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { type SerialTransport, TransportError } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";
import { SpiPeer, type SpiPeerCounters } from "./spi-peer.js";
import { StdioPort } from "./stdio-port.js";

/** File descriptor of the pins in the firmware's process. */
const SPI_FD = 3;

export interface FirmwareProcessOptions {
  /** The firmware's build for Linux (firmware/targets/native). */
  readonly program: string;
  /** Besides those that say where its port and its pins are. */
  readonly args?: readonly string[];
  readonly clock: Clock;
  readonly spi: SpiDevice;
  /** The switch of the card's power. */
  readonly power?: (on: boolean) => void;
  readonly serialNumber?: string;
}

/** The project's own firmware in a process of its own, with a SPI device on its pins; on the real clock. */
export interface FirmwareProcess {
  readonly pid: number;
  readonly spi: SpiPeerCounters;
  /** Claims it. @throws TransportError TRANSPORT_BUSY while it is claimed, TRANSPORT_DISCONNECTED once it is gone */
  transport(): SerialTransport;
  /** Ends the process, by its id. Idempotent. */
  close(): Promise<void>;
}

/** @throws TransportError TRANSPORT_NOT_FOUND if the program cannot be started */
export async function startFirmware(options: FirmwareProcessOptions): Promise<FirmwareProcess> {
  const { program, args = [] } = options;
  const child = spawn(program, ["--stdio", "--spi-fd", String(SPI_FD), ...args], {
    stdio: ["pipe", "pipe", "inherit", "pipe"],
    // Ctrl-C is for this process, which ends it in order.
    detached: true,
  });
  try {
    await once(child, "spawn");
  } catch (cause) {
    throw new TransportError("TRANSPORT_NOT_FOUND", `${program} cannot be started`, { cause });
  }
  return new Running(child, options);
}

class Running implements FirmwareProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #options: FirmwareProcessOptions;
  readonly #peer: SpiPeer;
  readonly #exited: Promise<unknown>;
  readonly #killed: () => void;
  #port: StdioPort | undefined;
  #isGone = false;

  constructor(child: ChildProcess, options: FirmwareProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.pid = child.pid ?? 0;
    this.#peer = new SpiPeer(options);
    this.#exited = once(child, "exit").then(() => this.#gone());
    // A process that ends without closing must not leave it behind.
    this.#killed = () => void child.kill("SIGKILL");
    process.once("exit", this.#killed);
    const pins = child.stdio[SPI_FD] as Duplex;
    pins.on("data", (bytes: Uint8Array) => {
      const answers = this.#peer.push(bytes);
      if (answers.length > 0) pins.write(answers);
    });
    // What was on its way to a process that ends is of no interest.
    for (const stream of [child.stdin, child.stdout, pins]) stream?.on("error", () => undefined);
  }

  get spi(): SpiPeerCounters {
    return this.#peer.counters;
  }

  transport(): SerialTransport {
    const { stdin, stdout } = this.#child;
    if (this.#isGone || stdin === null || stdout === null)
      throw new TransportError("TRANSPORT_DISCONNECTED", "the firmware's process has ended");
    if (this.#port !== undefined)
      throw new TransportError("TRANSPORT_BUSY", "the firmware's port is in use");
    const { serialNumber, clock } = this.#options;
    const path = `pid:${this.pid}`;
    this.#port = new StdioPort({
      clock,
      input: stdin,
      output: stdout,
      port: { path, ...(serialNumber === undefined ? {} : { serialNumber }) },
      released: () => {
        this.#port = undefined;
      },
    });
    return this.#port;
  }

  async close(): Promise<void> {
    process.off("exit", this.#killed);
    await this.#port?.close();
    if (!this.#isGone) this.#child.kill("SIGKILL");
    await this.#exited;
    for (const stream of this.#child.stdio) stream?.destroy();
  }

  #gone(): void {
    this.#isGone = true;
    this.#port?.vanished();
  }
}
