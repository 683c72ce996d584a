import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "../../../src/transport/types.js";
import type { Deadline } from "../../../src/util/deadline.js";

/** How a host ends in the middle of an OUT transfer. */
export const DEATHS = ["process", "transfer"] as const;
/** `process`: it is gone; `transfer`: the transfer fails, and the process goes on. */
export type Death = (typeof DEATHS)[number];

export interface DeathPlan {
  readonly death: Death;
  /** OUT transfers before it. */
  readonly transfer: number;
  /** Bytes of it that arrive. */
  readonly bytes: number;
}

/** Nothing that a dead process waits for ever comes. */
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** A transport whose host dies, or whose transfer fails, when a part of an OUT transfer has arrived. */
export class DyingTransport implements UsbTransport {
  readonly device: UsbDeviceInfo;
  /** Lengths of the OUT transfers since {@link arm}. */
  readonly lengths: number[] = [];
  /** Resolves when the interface is free for the next process. */
  readonly dead: Promise<void>;
  readonly #inner: UsbTransport;
  #plan: DeathPlan | undefined;
  #isDead = false;
  #buried: () => void = () => undefined;

  constructor(inner: UsbTransport) {
    this.#inner = inner;
    this.device = inner.device;
    this.dead = new Promise((resolve) => {
      this.#buried = resolve;
    });
  }

  arm(plan?: DeathPlan): void {
    this.lengths.length = 0;
    this.#plan = plan;
  }

  packetSize(endpoint: number): number {
    return this.#inner.packetSize(endpoint);
  }

  controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#isDead ? never() : this.#inner.controlOut(setup, data, deadline);
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#isDead ? never() : this.#inner.controlIn(setup, length, deadline);
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    if (this.#isDead) return { done: never(), cancel: () => undefined };
    const { done, cancel } = this.#alive(this.#inner.bulkIn(endpoint, length, deadline));
    return { done, cancel };
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    if (this.#isDead) return { done: never(), cancel: () => undefined };
    const at = this.lengths.push(data.length) - 1;
    const plan = this.#plan;
    if (plan === undefined || at !== plan.transfer)
      return this.#alive(this.#inner.bulkOut(endpoint, data, deadline));
    this.#plan = undefined;
    return this.#die(plan, endpoint, data, deadline);
  }

  async close(): Promise<void> {
    if (!this.#isDead) await this.#inner.close();
  }

  #die(
    { death, bytes }: DeathPlan,
    endpoint: number,
    data: Uint8Array,
    deadline: Deadline,
  ): UsbTransfer<void> {
    const part = data.slice(0, bytes);
    const arrived =
      bytes === 0 ? Promise.resolve() : this.#inner.bulkOut(endpoint, part, deadline).done;
    if (death === "transfer") {
      const failed = (): never => {
        throw new TransportError("TRANSPORT_FAULT", "the transfer was cut");
      };
      return { done: arrived.then(failed, failed), cancel: () => undefined };
    }
    this.#isDead = true;
    void arrived
      .catch(() => undefined)
      .then(() => this.#inner.close())
      .then(this.#buried);
    return { done: never(), cancel: () => undefined };
  }

  /** What was on its way when the host died brings it nothing. */
  #alive<T>(transfer: UsbTransfer<T>): UsbTransfer<T> {
    const done = transfer.done.then(
      (value) => (this.#isDead ? never<T>() : value),
      (error: unknown) => (this.#isDead ? never<T>() : Promise.reject(error)),
    );
    return { done, cancel: () => transfer.cancel() };
  }
}
