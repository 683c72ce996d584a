import { SimClock } from "../../sim/clock.js";
import { connectSocketTransport } from "../../sim/serve/client.js";
import { type Clock, RealClock } from "../../util/clock.js";
import { assert } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import { findAdapterData } from "../adapters/data.js";
import type { StepOutcome } from "../adapters/outcome.js";
import type { AdapterLink } from "../link.js";
import { linkOf, settingsOfSim } from "../sim-adapter.js";
import { openSimBench, type SimBench } from "../sim-bench.js";
import { parseSimOptions } from "../sim-options.js";
import type { DeviceSpec } from "../spec.js";
import { startBridge } from "./start.js";
import type { BenchTarget, StartedBridge } from "./types.js";

/** `sim:card.img`: nothing of it is in the operating system, so the first steps have little to find. */
export class SimTarget implements BenchTarget {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly #spec: Extract<DeviceSpec, { kind: "sim" }>;
  #bench: SimBench | undefined;
  #link: AdapterLink | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(spec: Extract<DeviceSpec, { kind: "sim" }>, log: Log) {
    this.name = `sim:${spec.path}`;
    this.clock = new SimClock(new RealClock().wallTime());
    this.log = log;
    this.#spec = spec;
  }

  async load(): Promise<StepOutcome> {
    return { finding: "none is needed: adapter and card are simulated" };
  }

  async find(): Promise<StepOutcome> {
    const { path, options } = this.#spec;
    const sim = parseSimOptions(options);
    const chip = findAdapterData(sim.chip)?.chip ?? sim.chip;
    this.#bench = await openSimBench({
      path,
      sim,
      readOnly: true,
      clock: this.clock,
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
    assert(this.#bench !== undefined, "found first");
    this.#link = linkOf(this.#bench.adapter);
    return { finding: "opened and claimed" };
  }

  async start(): Promise<StartedBridge> {
    const [link, bench] = [this.#link, this.#bench];
    assert(link !== undefined && bench !== undefined, "opened first");
    this.#link = undefined;
    const started = await startBridge(bench.adapter.family, {
      link,
      settings: settingsOfSim(parseSimOptions(this.#spec.options)),
      clock: this.clock,
      log: this.log,
    });
    this.#close = () => started.bridge.close();
    return started;
  }

  async close(): Promise<void> {
    const [close, link, bench] = [this.#close, this.#link, this.#bench];
    this.#close = undefined;
    this.#link = undefined;
    this.#bench = undefined;
    await close?.().catch(() => undefined);
    await link?.transport.close().catch(() => undefined);
    await bench?.close();
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
    const link = this.#link;
    assert(link !== undefined, "opened first");
    this.#link = undefined;
    const started = await startBridge("ftdi", {
      link,
      settings: {},
      clock: this.clock,
      log: this.log,
    });
    this.#close = () => started.bridge.close();
    return started;
  }

  async close(): Promise<void> {
    const [close, link] = [this.#close, this.#link];
    this.#close = undefined;
    this.#link = undefined;
    await close?.().catch(() => undefined);
    await link?.transport.close().catch(() => undefined);
  }
}
