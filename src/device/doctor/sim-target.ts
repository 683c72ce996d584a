import { connectSocketTransport } from "../../sim/serve/client.js";
import type { OpenedAdapter } from "../../spi/adapter-card-bus.js";
import { type Clock, RealClock } from "../../util/clock.js";
import { assert } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import { findAdapterData } from "../adapters/data.js";
import type { StepOutcome } from "../adapters/outcome.js";
import { openAdapterDriver } from "../families.js";
import type { AdapterLink } from "../link.js";
import { parseSimOptions } from "../sim-options.js";
import { clockOfSim, FIRMWARE_PLACES, openSimStand, type SimStand } from "../sim-stand.js";
import type { DeviceSpec } from "../spec.js";
import { startBridge } from "./start.js";
import type { BenchTarget, StartedBridge } from "./types.js";

/** `sim:card.img`: nothing of it is in the operating system, so the first steps have little to find. */
export class SimTarget implements BenchTarget {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly #spec: Extract<DeviceSpec, { kind: "sim" }>;
  readonly #places: readonly string[];
  #stand: SimStand | undefined;
  #link: AdapterLink | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(
    spec: Extract<DeviceSpec, { kind: "sim" }>,
    log: Log,
    places: readonly string[] = FIRMWARE_PLACES,
  ) {
    this.name = `sim:${spec.path}`;
    this.clock = clockOfSim(spec.options);
    this.log = log;
    this.#spec = spec;
    this.#places = places;
  }

  async load(): Promise<StepOutcome> {
    return { finding: "none is needed: adapter and card are simulated" };
  }

  async find(): Promise<StepOutcome> {
    const { path, options } = this.#spec;
    const { chip: name } = parseSimOptions(options);
    const chip = findAdapterData(name)?.chip ?? name;
    this.#stand = await openSimStand({
      spec: this.#spec,
      readOnly: true,
      clock: this.clock,
      places: this.#places,
    });
    return { finding: `a simulated ${chip} with a card over ${path}` };
  }

  async permission(): Promise<StepOutcome> {
    return { finding: "the image may be read" };
  }

  async kernelDriver(): Promise<StepOutcome> {
    return { finding: "the kernel does not see it" };
  }

  async open(): Promise<StepOutcome> {
    assert(this.#stand !== undefined, "found first");
    this.#link = this.#stand.link();
    return { finding: "opened and claimed" };
  }

  async start(): Promise<StartedBridge> {
    const started = await startBridge(...this.#driverParts());
    this.#close = () => started.bridge.close();
    return started;
  }

  async drive(): Promise<OpenedAdapter> {
    const opened = await openAdapterDriver(...this.#driverParts());
    this.#close = () => opened.close();
    return opened;
  }

  #driverParts(): Parameters<typeof openAdapterDriver> {
    const [link, stand] = [this.#link, this.#stand];
    assert(link !== undefined && stand !== undefined, "opened first");
    this.#link = undefined;
    const { family, settings } = stand;
    return [family, { link, settings, clock: this.clock, log: this.log }];
  }

  async close(): Promise<void> {
    const [close, link, stand] = [this.#close, this.#link, this.#stand];
    this.#close = undefined;
    this.#link = undefined;
    this.#stand = undefined;
    await close?.().catch(() => undefined);
    await link?.transport.close().catch(() => undefined);
    await stand?.close();
  }
}

/** `sim:unix:PATH`: a simulator in another process. */
export class SocketTarget implements BenchTarget {
  readonly name: string;
  readonly clock: Clock = new RealClock();
  readonly log: Log;
  readonly #path: string;
  #link: AdapterLink | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(path: string, log: Log) {
    this.name = `sim:unix:${path}`;
    this.log = log;
    this.#path = path;
  }

  async load(): Promise<StepOutcome> {
    return { finding: "none is needed: adapter and card are simulated" };
  }

  async find(): Promise<StepOutcome> {
    const transport = await connectSocketTransport(this.#path, this.clock);
    this.#link = { kind: "usb", transport };
    return { finding: `a simulator listens on ${this.#path}` };
  }

  async permission(): Promise<StepOutcome> {
    return { finding: "the socket may be used" };
  }

  async kernelDriver(): Promise<StepOutcome> {
    return { finding: "the kernel does not see it" };
  }

  async open(): Promise<StepOutcome> {
    return { finding: "connected" };
  }

  async start(): Promise<StartedBridge> {
    const started = await startBridge(...this.#driverParts());
    this.#close = () => started.bridge.close();
    return started;
  }

  async drive(): Promise<OpenedAdapter> {
    const opened = await openAdapterDriver(...this.#driverParts());
    this.#close = () => opened.close();
    return opened;
  }

  #driverParts(): Parameters<typeof openAdapterDriver> {
    const link = this.#link;
    assert(link !== undefined, "opened first");
    this.#link = undefined;
    return ["ftdi", { link, settings: {}, clock: this.clock, log: this.log }];
  }

  async close(): Promise<void> {
    const [close, link] = [this.#close, this.#link];
    this.#close = undefined;
    this.#link = undefined;
    await close?.().catch(() => undefined);
    await link?.transport.close().catch(() => undefined);
  }
}
