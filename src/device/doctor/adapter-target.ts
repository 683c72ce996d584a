import type { OpenedAdapter } from "../../spi/adapter-card-bus.js";
import { CardError } from "../../spi/errors.js";
import { type Clock, RealClock } from "../../util/clock.js";
import { assert, isMmcpstoreError, type MmcpstoreError } from "../../util/errors.js";
import { acquireLock, type Lock } from "../../util/lock.js";
import type { Log } from "../../util/log.js";
import { requireVoltage } from "../adapters/adapters.js";
import type { BenchDeps, FoundAdapter, Way } from "../adapters/found.js";
import { checkNode } from "../adapters/node-access.js";
import type { StepOutcome } from "../adapters/outcome.js";
import { familyOf, findAdapter, settingsOfFound, waysOf } from "../adapters/search.js";
import { openAdapterDriver } from "../families.js";
import { describeLeftBehind, IntentJournal, type LeftBehind, runtimeFile } from "../journal.js";
import type { AdapterLink } from "../link.js";
import type { AdapterSpec } from "../spec.js";
import { startBridge } from "./start.js";
import type { BenchTarget, StartedBridge } from "./types.js";

export interface TargetOptions {
  readonly log: Log;
  readonly lockDir: string;
  readonly waitMs?: number;
  /** The user has measured that the signals of the adapter have 3.3 V. */
  readonly voltageChecked?: boolean;
  /** `sim:` with own firmware: where it may be. */
  readonly firmwarePlaces?: readonly string[];
}

/** A real adapter, by what a device string tells of it. */
export class AdapterTarget implements BenchTarget {
  readonly clock: Clock;
  readonly log: Log;
  readonly #spec: AdapterSpec;
  readonly #options: TargetOptions;
  readonly #deps: BenchDeps;
  readonly #ways: readonly Way[];
  readonly #loaded: Set<string> = new Set();
  #found: FoundAdapter | undefined;
  #lock: Lock | undefined;
  #link: AdapterLink | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(spec: AdapterSpec, options: TargetOptions, deps: BenchDeps = {}) {
    this.clock = deps.clock ?? new RealClock();
    this.log = options.log;
    this.#spec = spec;
    this.#options = options;
    this.#deps = { ...deps, clock: this.clock };
    this.#ways = waysOf(spec, this.#deps);
  }

  get name(): string {
    return this.#found?.lockName ?? this.#spec.chip ?? "any adapter";
  }

  async load(): Promise<StepOutcome> {
    const problems: MmcpstoreError[] = [];
    for (const way of this.#ways) {
      await this.#load(way).catch((error: unknown) => {
        if (!isMmcpstoreError(error)) throw error;
        problems.push(error);
      });
    }
    if (problems[0] !== undefined && this.#loaded.size === 0) throw problems[0];
    const finding = [...this.#loaded].join(", ");
    // Whether it is needed, the device will show.
    const fix = problems.map(({ message, hint }) => `${message}: ${hint}`).join("; ");
    return fix === "" ? { finding } : { finding, fix };
  }

  async find(): Promise<StepOutcome> {
    const { way, found } = await findAdapter(
      this.#spec,
      this.#ways,
      this.clock,
      this.#options.waitMs,
    );
    await this.#load(way);
    this.#found = found;
    const [warning] = found.adapter.warnings;
    return { finding: found.text, ...(warning === undefined ? {} : { fix: warning }) };
  }

  async permission(): Promise<StepOutcome> {
    const { node, error, ...owner } = this.#device;
    const outcome =
      node === undefined
        ? { finding: "the system does not tell by which node it is opened" }
        : await checkNode(node, owner, this.#deps.nodes);
    // The system said no, whatever the node looks like.
    if (error !== undefined) throw error;
    return outcome;
  }

  async kernelDriver(): Promise<StepOutcome> {
    return this.#device.driver();
  }

  async open(): Promise<StepOutcome> {
    requireVoltage(this.#device, this.#options);
    const { lockName } = this.#device;
    const file = runtimeFile(lockName, this.#options, "lock");
    this.#lock = await acquireLock(file, `the adapter ${lockName}`);
    const left = this.#leftBehind(lockName);
    this.#link = await this.#device.open(this.clock, this.log);
    const { wasStale } = this.#lock;
    const finding = wasStale
      ? "opened; the lock of a process that has died was taken over"
      : "opened and claimed";
    return left === undefined
      ? { finding }
      : { finding, fix: `its last user was killed, ${describeLeftBehind(left)}` };
  }

  /** @throws CardError CARD_BUSY while the card may still be erasing: a reset could destroy its data */
  #leftBehind(lockName: string): LeftBehind | undefined {
    const file = runtimeFile(lockName, this.#options, "journal");
    const left = new IntentJournal(file, this.clock, this.log).leftBehind();
    const seconds = Math.ceil(((left?.eraseUntilMs ?? 0) - this.clock.wallTime()) / 1000);
    if (left === undefined || seconds <= 0) return left;
    throw new CardError(
      "CARD_BUSY",
      "the last user of this adapter was killed while the card erased, which it may still do",
      {
        details: { seconds },
        hint: `leave it powered, and try again in ${seconds} s`,
      },
    );
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
    assert(this.#link !== undefined, "opened first");
    const link = this.#link;
    this.#link = undefined;
    const settings = settingsOfFound(this.#device, this.#spec);
    return [familyOf(this.#device), { link, settings, clock: this.clock, log: this.log }];
  }

  async close(): Promise<void> {
    const [close, link, lock] = [this.#close, this.#link, this.#lock];
    this.#close = undefined;
    this.#link = undefined;
    this.#lock = undefined;
    await close?.().catch(() => undefined);
    await link?.transport.close().catch(() => undefined);
    await lock?.release();
  }

  get #device(): FoundAdapter {
    assert(this.#found !== undefined, "found first");
    return this.#found;
  }

  async #load(way: Way): Promise<void> {
    if (this.#loaded.has(way.packageName)) return;
    await way.load();
    this.#loaded.add(way.packageName);
  }
}
