import { join } from "node:path";
import type { BridgeFamily } from "../../transport/cassette.js";
import { TransportError } from "../../transport/types.js";
import { type Clock, RealClock } from "../../util/clock.js";
import { deadlineIn, expired } from "../../util/deadline.js";
import { assert, errorCode } from "../../util/errors.js";
import { acquireLock, type Lock } from "../../util/lock.js";
import type { Log } from "../../util/log.js";
import type { AdapterLink } from "../link.js";
import type { AdapterChip, AdapterSpec } from "../spec.js";
import type { BenchDeps, FoundAdapter, Way } from "./found.js";
import { checkNode } from "./node-access.js";
import { hidWay, serialWay } from "./node-ways.js";
import { startBridge } from "./start.js";
import type { BenchTarget, StartedBridge, StepOutcome } from "./types.js";
import { usbWay } from "./usb-way.js";

const POLL_US = 250_000;

export interface TargetOptions {
  readonly log: Log;
  readonly lockDir: string;
  readonly waitMs?: number;
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
  #found: { readonly way: Way; readonly adapter: FoundAdapter } | undefined;
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
    return this.#found?.adapter.lockName ?? this.#spec.chip ?? "any adapter";
  }

  async load(): Promise<StepOutcome> {
    const [way] = this.#ways;
    assert(way !== undefined, "there is a way to every kind of adapter");
    await this.#load(way);
    return { finding: `the package ${way.packageName} loads` };
  }

  async find(): Promise<StepOutcome> {
    const deadline = deadlineIn(this.clock, this.#options.waitMs ?? 0);
    for (;;) {
      try {
        return await this.#findOnce();
      } catch (error) {
        if (errorCode(error) !== "TRANSPORT_NOT_FOUND" || expired(this.clock, deadline))
          throw error;
        await this.clock.sleep(POLL_US);
      }
    }
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
    const { lockName } = this.#device;
    const file = `mmcpstore-${lockName.replaceAll(/[^\w.-]/g, "-")}.lock`;
    this.#lock = await acquireLock(join(this.#options.lockDir, file), `the adapter ${lockName}`);
    this.#link = await this.#device.open(this.clock, this.log);
    const { wasStale } = this.#lock;
    return {
      finding: wasStale
        ? "opened; the lock of a process that has died was taken over"
        : "opened and claimed",
    };
  }

  async start(): Promise<StartedBridge> {
    const { adapter } = this.#device;
    assert(this.#link !== undefined, "opened first");
    const { channel, hardwareWait, fastIdentification } = this.#spec;
    const settings = {
      ...(channel === undefined ? {} : { channel }),
      hardwareWait,
      fastIdentification,
    };
    const link = this.#link;
    this.#link = undefined;
    const started = await startBridge(familyOf(adapter.id), {
      link,
      settings,
      clock: this.clock,
      log: this.log,
    });
    this.#close = () => started.bridge.close();
    return started;
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
    return this.#found.adapter;
  }

  async #load(way: Way): Promise<void> {
    if (this.#loaded.has(way.packageName)) return;
    await way.load();
    this.#loaded.add(way.packageName);
  }

  async #findOnce(): Promise<StepOutcome> {
    const matches: { readonly way: Way; readonly adapter: FoundAdapter }[] = [];
    for (const way of this.#ways)
      for (const adapter of await way.list(this.#spec))
        if (fits(adapter, this.#spec)) matches.push({ way, adapter });
    const [found, second] = matches;
    if (found === undefined) throw await this.#notFound();
    if (second !== undefined) throw ambiguous(matches.map(({ adapter }) => adapter));
    await this.#load(found.way);
    this.#found = found;
    const [warning] = found.adapter.adapter.warnings;
    return {
      finding: found.adapter.text,
      ...(warning === undefined ? {} : { fix: warning }),
    };
  }

  async #notFound(): Promise<TransportError> {
    const { chip, serialNumber, portPath, path } = this.#spec;
    const others = (await Promise.all(this.#ways.map((way) => way.list(this.#spec)))).flat();
    const refusals = (await Promise.all(this.#ways.map((way) => way.refused(this.#spec)))).flat();
    const what = chip === undefined ? "adapter" : chip;
    const which = serialNumber === undefined ? "" : ` with serial number ${serialNumber}`;
    const where = portPath ?? path;
    const seen = [...others.map(({ text }) => text), ...refusals.map(({ text }) => text)];
    return new TransportError(
      "TRANSPORT_NOT_FOUND",
      `no ${what}${which}${where === undefined ? "" : ` at ${where}`} is plugged in${seen.length === 0 ? "" : `; ${seen.join("; ")}`}`,
      {
        details: { found: seen },
        hint:
          refusals.at(0)?.fix ??
          (others.length > 0
            ? "choose one of those"
            : "plug it in, or try another port and cable; lsusb must show it"),
      },
    );
  }
}

function waysOf(spec: AdapterSpec, deps: BenchDeps): readonly Way[] {
  if (spec.chip === "serprog") return [serialWay(deps)];
  if (spec.chip === "mcp2210") return [hidWay(deps)];
  return spec.chip === undefined ? [usbWay(deps), hidWay(deps)] : [usbWay(deps)];
}

function fits(found: FoundAdapter, { serialNumber, portPath }: AdapterSpec): boolean {
  return (
    (serialNumber === undefined || found.serialNumber === serialNumber) &&
    (portPath === undefined || found.portPath === portPath)
  );
}

function ambiguous(found: readonly FoundAdapter[]): TransportError {
  const names = found.map(({ text }) => text);
  return new TransportError(
    "TRANSPORT_AMBIGUOUS",
    `${found.length} adapters fit: ${names.join("; ")}`,
    {
      details: { found: names },
      hint: "choose one by its serial number or its port: -d usb:1-3.4 (mmcpstore list shows them)",
    },
  );
}

const FAMILIES: Readonly<Record<AdapterChip, BridgeFamily>> = {
  ft232h: "ftdi",
  ft2232h: "ftdi",
  ft4232h: "ftdi",
  ch341a: "ch341",
  ch347: "ch347",
  mcp2210: "mcp2210",
  serprog: "serprog",
};

function familyOf(chip: AdapterChip): BridgeFamily {
  return FAMILIES[chip];
}
