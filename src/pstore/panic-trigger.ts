import type { PanicVerdict } from "../block/panic.js";
import { type Clock, RealClock } from "../util/clock.js";
import { type Deadline, deadlineIn, remainingUs } from "../util/deadline.js";
import { MmcpstoreError } from "../util/errors.js";
import type { PanicReport } from "./panic.js";
import { type MailboxState, PanicMailbox } from "./panic-mailbox.js";

/** enum kmsg_dump_reason of the kernel. */
const REASONS = { panic: 1, oops: 2, emergency: 3, shutdown: 4 } as const;

export interface TriggerRequest {
  /** Default: `panic`. */
  readonly reason?: keyof typeof REASONS;
  /** How long this thread may be held, in ms. Default 5 s. */
  readonly deadlineMs?: number;
}

/** What became of a record that a dying thread asked for. Plain data. */
export type TriggerAnswer =
  /** The worker tried; its verdict says how it ended. */
  | { readonly kind: "report"; readonly report: PanicReport }
  /** The worker could not: no device, no partition, a text that does not fit. */
  | { readonly kind: "failed"; readonly error: NonNullable<PanicVerdict["error"]> }
  /** Nothing was heard in time: the record may still be written, if the process lives on. */
  | { readonly kind: "no-answer"; readonly state: MailboxState }
  /** Another thread has fired, or the worker has been stopped. */
  | { readonly kind: "used-up"; readonly state: MailboxState };

/** Why the worker cannot arm, with the code of what it met. */
export class PanicWorkerError extends MmcpstoreError {}

const PANIC_MS = 5000;
/** Wakes a waiting worker's event loop now and then, should a notification get lost. */
const TURN_MS = 200;

/**
 * The dying side of a {@link PanicMailbox}: hands a record to the worker that owns the card, from any thread, also one whose event
 * loop will never turn again (`uncaughtException`).
 */
export class PanicTrigger {
  readonly #mailbox: PanicMailbox;
  readonly #clock: Clock;

  /** @param memory made by `createPanicMemory`, given to the worker too */
  constructor(memory: SharedArrayBuffer, clock: Clock = new RealClock()) {
    this.#mailbox = new PanicMailbox(memory);
    this.#clock = clock;
  }

  /** True while {@link fire} would write a record at once. */
  get isArmed(): boolean {
    return this.#mailbox.state === "armed";
  }

  /**
   * Resolves when the worker has armed.
   * @throws PanicWorkerError with the code of what hindered it; TRANSPORT_TIMEOUT
   */
  async ready(deadline: Deadline): Promise<void> {
    while (this.#mailbox.state === "starting") {
      const leftMs = Math.ceil(remainingUs(this.#clock, deadline) / 1000);
      if (leftMs === 0)
        throw new PanicWorkerError("TRANSPORT_TIMEOUT", "the panic worker is not ready in time", {
          hint: "does its file call runPanicWorker or servePanics?",
        });
      await Promise.race([
        this.#mailbox.leave("starting", Math.min(leftMs, TURN_MS)),
        this.#clock.sleep(Math.min(leftMs, TURN_MS) * 1000),
      ]);
    }
    if (this.#mailbox.state !== "failed") return;
    const reply = this.#mailbox.takeReply();
    if (!("error" in reply)) return;
    const { code, message, hint } = reply.error;
    throw new PanicWorkerError(code, message, hint === undefined ? {} : { hint });
  }

  /**
   * Has a record written and blocks this thread until its verdict is there and the device is put away, at most until the
   * deadline. A worker that is still starting is waited for. Once only. Never throws.
   */
  fire(text: Uint8Array | string, request: TriggerRequest = {}): TriggerAnswer {
    const deadline = deadlineIn(this.#clock, request.deadlineMs ?? PANIC_MS);
    const reason = REASONS[request.reason ?? "panic"];
    this.#block("starting", deadline);
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    const isPosted = this.#mailbox.post({ text: bytes, reason, deadlineUs: deadline.atUs });
    if (!isPosted) return this.#notPosted();
    this.#block("fired", deadline);
    this.#block("answered", deadline);
    return this.#answer();
  }

  /** The program ends without a record: the worker puts the device away and ends too. */
  stop(): void {
    this.#mailbox.want("stop");
  }

  #block(state: MailboxState, deadline: Deadline): void {
    const ms = remainingUs(this.#clock, deadline) / 1000;
    if (this.#mailbox.state === state && ms > 0) this.#mailbox.waitWhile(state, ms);
  }

  #notPosted(): TriggerAnswer {
    const { state } = this.#mailbox;
    if (state === "starting") return { kind: "no-answer", state };
    // Failed, and why.
    return state === "failed" ? this.#answer() : { kind: "used-up", state };
  }

  #answer(): TriggerAnswer {
    const { state } = this.#mailbox;
    if (state === "fired") return { kind: "no-answer", state };
    const reply = this.#mailbox.takeReply();
    return "report" in reply
      ? { kind: "report", report: reply.report }
      : { kind: "failed", error: reply.error };
  }
}
