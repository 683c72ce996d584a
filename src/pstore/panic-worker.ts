import { describeError } from "../block/panic.js";
import { type Clock, RealClock } from "../util/clock.js";
import { deadlineIn, remainingUs } from "../util/deadline.js";
import type { ArmedRecords } from "./panic.js";
import { type MailboxReply, PanicMailbox } from "./panic-mailbox.js";
import type { PstoreStore } from "./store.js";

/** What a worker serves. */
export interface ServedStore {
  readonly store: Pick<PstoreStore, "arm">;
  /** The device's. */
  readonly clock: Clock;
  /** Puts the device away. */
  close(): Promise<void>;
}

/** A sleeping worker looks so often whether something was wanted, should a notification get lost; it also keeps its thread alive. */
const HEARTBEAT_MS = 250;

/**
 * The living side of a `PanicMailbox`, run in the worker thread that owns the device: opens, arms, waits, writes the one record that
 * is asked for, closes. Meanwhile the worker may use the store for anything else; `fire` takes the card from it.
 *
 * Resolves when the device is put away: after the record, or after `PanicTrigger.stop`. What goes wrong is told to the trigger,
 * not thrown.
 */
export async function servePanics(
  memory: SharedArrayBuffer,
  open: () => Promise<ServedStore>,
  clock: Clock = new RealClock(),
): Promise<void> {
  const mailbox = new PanicMailbox(memory);
  let served: ServedStore | undefined;
  try {
    served = await open();
    await serve(mailbox, served, clock);
    await served.close();
    mailbox.moveTo("closed");
  } catch (error) {
    // Closing comes after the answer: what it throws changes nothing about the record.
    if (mailbox.state === "answered") return mailbox.moveTo("closed");
    mailbox.leaveReply({ error: describeError(error) });
    await served?.close().catch(() => undefined);
    mailbox.moveTo("failed");
  }
}

async function serve(mailbox: PanicMailbox, served: ServedStore, clock: Clock): Promise<void> {
  const armed = await served.store.arm(served.clock);
  mailbox.moveTo("armed");
  const wish = await served.clock.outside(awaitWish(mailbox, clock));
  if (wish === "stop") return;
  mailbox.leaveReply(await fire(mailbox, armed, served.clock, clock));
  mailbox.moveTo("answered");
}

async function awaitWish(mailbox: PanicMailbox, clock: Clock): Promise<"fire" | "stop"> {
  for (;;) {
    const { wish } = mailbox;
    if (wish === "fire") return wish;
    if (wish === "stop" && mailbox.retire()) return wish;
    await heartbeat(mailbox.leaveWish(wish, HEARTBEAT_MS), clock);
  }
}

/** Waits for something that does not keep the thread alive, which this does. */
async function heartbeat(wait: Promise<void>, clock: Clock): Promise<void> {
  let end = (): void => undefined;
  const turn = new Promise<void>((resolve) => {
    const timer = clock.timer(HEARTBEAT_MS * 1000, resolve);
    end = () => timer.cancel();
  });
  await Promise.race([wait, turn]);
  end();
}

/** The deadline is the process's; the device may have a clock of its own. */
async function fire(
  mailbox: PanicMailbox,
  armed: ArmedRecords,
  deviceClock: Clock,
  clock: Clock,
): Promise<MailboxReply> {
  const { text, reason, deadlineUs } = mailbox.request();
  try {
    const record = armed.prepare(text, { reason });
    const leftMs = remainingUs(clock, { atUs: deadlineUs }) / 1000;
    return { report: await armed.fire(record, deadlineIn(deviceClock, leftMs)) };
  } catch (error) {
    return { error: describeError(error) };
  }
}
