import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Agent, GuestRun } from "./agent.js";
import { Bench, KMSG_SIZE, makeCard } from "./bench.js";
import type { BridgeRow } from "./bridges.js";
import type { UsbGuest } from "./guest.js";

const POLL_MS = 2;
/** Of questions that the guest has to answer beside its work. */
const GUEST_POLL_MS = 20;
/** First port of the virtual hub: port path `1-1`. */
const HUB_PORT = 0;
/** Longer than anything here takes: whoever runs into it ends with exit 10. */
const TIMEOUT = "120s";

type Drivers = ReadonlySet<string | null>;

/** A bridge with a card in this process, plugged into the guest, and the node process there that uses it. */
export class Plugged {
  readonly row: BridgeRow;
  readonly image: string;
  readonly bench: Bench;
  readonly #guest: UsbGuest;
  #agent: Agent;

  private constructor(guest: UsbGuest, row: BridgeRow, bench: Bench, image: string, agent: Agent) {
    this.#guest = guest;
    this.row = row;
    this.bench = bench;
    this.image = image;
    this.#agent = agent;
  }

  static async start(guest: UsbGuest, dir: string, row: BridgeRow): Promise<Plugged> {
    const image = makeCard(dir, row.name.replaceAll(/\W/g, ""));
    const bench = await Bench.start(row, image);
    const plugged = new Plugged(guest, row, bench, image, await guest.agent());
    await plugged.attach();
    return plugged;
  }

  get agent(): Agent {
    return this.#agent;
  }

  /** Transfers that the chip has seen. */
  get transfers(): number {
    return this.bench.model.submitted;
  }

  async attach(): Promise<void> {
    await this.#agent.attach(this.bench.port, "1-1", HUB_PORT);
    await this.#agent.until(this.row.settled);
  }

  /** The cable is pulled, as far as the guest can see. */
  async detach(): Promise<void> {
    await this.#agent.detach(HUB_PORT);
  }

  /** A process of its own for what comes next: without udevd, libusb sees no device that comes while it runs (usb.md section 2). */
  async newProcess(): Promise<void> {
    await this.#agent.quit();
    this.#agent = await this.#guest.agent();
  }

  /** The command line on this device. */
  run(words: readonly string[], stdin: string = ""): Promise<GuestRun> {
    const { device, flags } = this.row;
    const common = ["-d", device, ...flags, "--timeout", TIMEOUT];
    return this.#agent.cli([...common, ...words], Buffer.from(stdin));
  }

  pstore(words: readonly string[], stdin: string = ""): Promise<GuestRun> {
    const common = ["--kmsg-size", KMSG_SIZE];
    return this.run([...this.row.part, "-y", "pstore", ...words, ...common], stdin);
  }

  /** The kernel driver of an interface, the bridge's by default. */
  driver(interfaceNumber: number = this.row.interfaceNumber): Promise<string | null> {
    return this.#agent.driver(`1-1:1.${interfaceNumber}`);
  }

  /** The drivers that were seen on an interface while `work` went on. */
  async driversDuring(work: Promise<unknown>, interfaceNumber?: number): Promise<Drivers> {
    const seen = new Set<string | null>();
    for (const over = overOf(work); !over.is; await delay(GUEST_POLL_MS))
      seen.add(await this.driver(interfaceNumber));
    return seen;
  }

  /** Resolves when so many more transfers have been submitted. @throws Error if `work` is over before */
  async transfersDuring(work: Promise<unknown>, count: number): Promise<void> {
    const end = this.transfers + count;
    for (const over = overOf(work); this.transfers < end; await delay(POLL_MS))
      if (over.is) throw new Error(`over after ${this.transfers - end + count} transfers`);
  }

  /** What the card holds. */
  cardBytes(from: number, to: number): Buffer {
    return readFileSync(this.image).subarray(from, to);
  }

  async end(): Promise<void> {
    await this.#agent.quit();
    await this.bench.stop();
  }
}

function overOf(work: Promise<unknown>): { readonly is: boolean } {
  const over = { is: false };
  const end = (): void => {
    over.is = true;
  };
  work.then(end, end);
  return over;
}
