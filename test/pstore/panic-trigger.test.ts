import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { MemoryBlockDevice } from "../../src/block/device.js";
import {
  createPanicMemory,
  type MailboxState,
  PanicMailbox,
} from "../../src/pstore/panic-mailbox.js";
import { PanicTrigger } from "../../src/pstore/panic-trigger.js";
import { servePanics } from "../../src/pstore/panic-worker.js";
import { PstoreStore } from "../../src/pstore/store.js";
import { PstoreError } from "../../src/pstore/types.js";
import { RealClock } from "../../src/util/clock.js";
import { deadlineIn } from "../../src/util/deadline.js";

const clock = new RealClock();
const PANIC = 1;
const geometry = { kmsgSize: 4096, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
const soon = (): { readonly atUs: number } => deadlineIn(clock, 60_000);
const inAMinuteUs = (): number => soon().atUs;

/** Both sides in one thread: what only another thread can show, the example's test does. */
class Bench {
  readonly memory = createPanicMemory(64 * 1024);
  readonly mailbox = new PanicMailbox(this.memory);
  readonly trigger = new PanicTrigger(this.memory);
  readonly store = new PstoreStore(new MemoryBlockDevice(new Uint8Array(16_384)), geometry, clock);
  closed = 0;

  serve(close: () => Promise<void> = async () => undefined): Promise<void> {
    return servePanics(this.memory, async () => ({
      store: this.store,
      clock,
      close: async () => {
        this.closed++;
        await close();
      },
    }));
  }

  post(text: string | Uint8Array, deadlineUs: number = inAMinuteUs()): boolean {
    return this.mailbox.post({ text: Buffer.from(text as string), reason: PANIC, deadlineUs });
  }

  async until(state: MailboxState): Promise<void> {
    const until = soon();
    while (this.mailbox.state !== state) {
      if (clock.nowUs() > until.atUs) throw new Error(`${this.mailbox.state}, never ${state}`);
      await clock.sleep(1000);
    }
  }
}

describe("a worker that serves one panic", () => {
  it("arms, writes the record that is posted, and puts the device away", async () => {
    const bench = new Bench();
    const served = bench.serve();
    await bench.trigger.ready(soon());
    expect(bench.trigger.isArmed).toBe(true);
    expect(bench.post("last words\n")).toBe(true);
    await served;
    expect([bench.mailbox.state, bench.closed]).toEqual(["closed", 1]);
    expect(bench.mailbox.takeReply()).toMatchObject({
      report: { name: "dmesg-pstore_blk-0", counter: 1, verdict: { outcome: "committed" } },
    });
    const { bytes } = await bench.store.read("dmesg-pstore_blk-0");
    expect(Buffer.from(bytes).toString()).toContain("Panic#1 Part1\nlast words\n");
  });

  it("takes one record only", async () => {
    const bench = new Bench();
    const served = bench.serve();
    await bench.until("armed");
    expect([bench.post("a"), bench.post("b")]).toEqual([true, false]);
    await served;
    expect(bench.trigger.fire("c")).toEqual({ kind: "used-up", state: "closed" });
    expect((await bench.store.list()).records).toHaveLength(1);
  });

  it("stops when it is told to, also while it arms, and takes nothing any more", async () => {
    const bench = new Bench();
    const served = bench.serve();
    bench.trigger.stop();
    await served;
    expect([bench.mailbox.state, bench.closed]).toEqual(["closed", 1]);
    expect(bench.trigger.fire("too late")).toEqual({ kind: "used-up", state: "closed" });
    expect((await bench.store.list()).records).toEqual([]);
  });

  it("a record that is posted while it is told to stop is written", async () => {
    const bench = new Bench();
    const served = bench.serve();
    await bench.until("armed");
    bench.trigger.stop();
    expect(bench.post("just in time\n")).toBe(true);
    await served;
    expect(bench.mailbox.takeReply()).toMatchObject({ report: { name: "dmesg-pstore_blk-0" } });
  });

  it("says why it could not open", async () => {
    const bench = new Bench();
    const error = new PstoreError("PSTORE_DAMAGED", "broken", { hint: "mend it" });
    await servePanics(bench.memory, () => Promise.reject(error));
    await expect(bench.trigger.ready(soon())).rejects.toMatchObject({
      code: "PSTORE_DAMAGED",
      message: "broken",
      hint: "mend it",
    });
    expect(bench.trigger.fire("unheard")).toEqual({
      kind: "failed",
      error: { code: "PSTORE_DAMAGED", message: "broken", hint: "mend it" },
    });
  });

  it("closes what it opened if it cannot arm", async () => {
    const bench = new Bench();
    let closed = 0;
    const arm = (): Promise<never> => Promise.reject(new Error("no zone"));
    const close = async (): Promise<void> => void closed++;
    await servePanics(bench.memory, async () => ({ store: { arm }, clock, close }));
    expect([bench.mailbox.state, closed]).toEqual(["failed", 1]);
    expect(bench.mailbox.takeReply()).toEqual({ error: { code: "INTERNAL", message: "no zone" } });
  });

  it("a text that does not fit in a zone is an answer too", async () => {
    const bench = new Bench();
    const served = bench.serve();
    await bench.until("armed");
    bench.post("x".repeat(60_000));
    await served;
    expect(bench.mailbox.takeReply()).toMatchObject({ error: { code: "PSTORE_TOO_LARGE" } });
  });

  it("an answer stays, whatever closing comes to", async () => {
    const bench = new Bench();
    const served = bench.serve(() => Promise.reject(new Error("unplugged")));
    await bench.until("armed");
    bench.post("last words\n");
    await served;
    expect(bench.mailbox.state).toBe("closed");
    expect(bench.mailbox.takeReply()).toMatchObject({ report: { name: "dmesg-pstore_blk-0" } });
  });

  it("a deadline that has passed is the verdict", async () => {
    const bench = new Bench();
    const served = bench.serve();
    await bench.until("armed");
    bench.post("too late\n", clock.nowUs() - 1);
    await served;
    expect(bench.mailbox.takeReply()).toMatchObject({
      report: { verdict: { outcome: "deadline" } },
    });
    expect((await bench.store.list()).records).toEqual([]);
  });
});

describe("a thread that dies", () => {
  it("waits for a worker that is starting, and no longer than it was told to", async () => {
    const { trigger } = new Bench();
    expect(trigger.fire("early", { deadlineMs: 1 })).toEqual({
      kind: "no-answer",
      state: "starting",
    });
    await expect(trigger.ready(deadlineIn(clock, 1))).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
  });

  it("does not wait for ever for a worker that hangs", async () => {
    const bench = new Bench();
    const served = bench.serve();
    await bench.until("armed");
    // Worker and dying thread are one here: nobody can answer.
    expect(bench.trigger.fire("x", { deadlineMs: 1, reason: "oops" })).toEqual({
      kind: "no-answer",
      state: "fired",
    });
    await served;
  });
});

describe("the memory between them", () => {
  it("keeps the newest whole lines of a text that is too long", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 60 }),
        fc.integer({ min: 1, max: 40 }),
        (text, most) => {
          const mailbox = new PanicMailbox(createPanicMemory(most));
          mailbox.moveTo("armed");
          mailbox.post({ text: Buffer.from(text), reason: 2, deadlineUs: 12_345 });
          const { text: kept, ...rest } = mailbox.request();
          const found = Buffer.from(kept).toString();
          expect(rest).toEqual({ reason: 2, deadlineUs: 12_345 });
          expect(text.endsWith(found) && found.length <= most).toBe(true);
          const longest = text.slice(-most);
          const isCut = text.length > most;
          const isLineStart = !isCut || text[text.length - found.length - 1] === "\n";
          const hasLineStart = `${text[text.length - most - 1]}${longest.slice(0, -1)}`.includes(
            "\n",
          );
          expect(isLineStart || !hasLineStart).toBe(true);
          if (!isCut) expect(found).toBe(text);
        },
      ),
    );
  });

  it("holds no reply that cannot be read", () => {
    const { mailbox } = new Bench();
    expect(mailbox.takeReply()).toMatchObject({ error: { code: "INTERNAL" } });
    mailbox.leaveReply({ error: { code: "IO", message: "x".repeat(20_000) } });
    expect(mailbox.takeReply()).toMatchObject({ error: { code: "INTERNAL" } });
  });
});
