import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { SimClock } from "../../src/sim/clock.js";

/** A full turn of the event loop, several times over. */
async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("a simulated clock", () => {
  it("jumps to the next timer, in no time of its own", async () => {
    const clock = new SimClock();
    await clock.sleep(3_600_000_000);
    expect(clock.nowUs()).toBe(3_600_000_000);
  });

  it("fires timers by time, and those of one time as they were made", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 30 }), async (delays) => {
        const clock = new SimClock();
        const fired: [number, number][] = [];
        delays.forEach((us, at) => {
          clock.timer(us, () => fired.push([us, at]));
        });
        await clock.sleep(21);
        expect(fired).toEqual([...fired].sort(([a, i], [b, j]) => a - b || i - j));
        expect(fired).toHaveLength(delays.length);
      }),
    );
  });

  it("shows each timer its own time", async () => {
    const clock = new SimClock();
    const seen: number[] = [];
    for (const us of [30, 10, 20]) clock.timer(us, () => seen.push(clock.nowUs()));
    await clock.sleep(40);
    expect(seen).toEqual([10, 20, 30]);
  });

  it("takes a negative delay for none, and never goes back", async () => {
    const clock = new SimClock();
    await clock.sleep(100);
    let at = -1;
    clock.timer(-50, () => {
      at = clock.nowUs();
    });
    await turns();
    expect([at, clock.nowUs()]).toEqual([100, 100]);
  });

  it("fires no cancelled timer, and does not jump to one", async () => {
    const clock = new SimClock();
    const fired: string[] = [];
    const one = clock.timer(10, () => fired.push("one"));
    const two = clock.timer(20, () => fired.push("two"));
    clock.timer(5, () => one.cancel());
    await clock.sleep(30);
    two.cancel();
    expect(fired).toEqual(["two"]);
    const last = clock.timer(1000, () => fired.push("last"));
    last.cancel();
    last.cancel();
    await turns();
    expect([clock.nowUs(), fired]).toEqual([30, ["two"]]);
  });

  it("stands still while nobody waits for it", async () => {
    const clock = new SimClock();
    await turns();
    expect(clock.nowUs()).toBe(0);
  });

  it("lets all that can run do so before it jumps: chains of promises and immediates", async () => {
    const clock = new SimClock();
    const order: string[] = [];
    clock.timer(10, () => order.push("timer"));
    for (let step = 0; step < 50; step++) await Promise.resolve();
    order.push("promises");
    await new Promise((resolve) => setImmediate(resolve));
    order.push("immediate");
    await clock.sleep(20);
    expect(order).toEqual(["promises", "immediate", "timer"]);
  });

  it("does not jump while work outside is open, however long that takes", async () => {
    const clock = new SimClock();
    let end: (value: string) => void = () => undefined;
    const work = clock.outside(
      new Promise<string>((resolve) => {
        end = resolve;
      }),
    );
    let fired = false;
    clock.timer(1, () => {
      fired = true;
    });
    await turns(200);
    expect([fired, clock.nowUs()]).toEqual([false, 0]);
    end("done");
    await expect(work).resolves.toBe("done");
    await turns();
    expect([fired, clock.nowUs()]).toEqual([true, 1]);
  });

  it("goes on after work outside that fails, and waits for all of several", async () => {
    const clock = new SimClock();
    let fail: (error: Error) => void = () => undefined;
    let end: () => void = () => undefined;
    const failing = clock.outside(
      new Promise<void>((_, reject) => {
        fail = reject;
      }),
    );
    const other = clock.outside(
      new Promise<void>((resolve) => {
        end = resolve;
      }),
    );
    const slept = clock.sleep(7);
    fail(new Error("outside"));
    await expect(failing).rejects.toThrow("outside");
    await turns();
    expect(clock.nowUs()).toBe(0);
    end();
    await other;
    await slept;
    expect(clock.nowUs()).toBe(7);
  });

  it("holds a jump that was already on its way when work outside begins", async () => {
    const clock = new SimClock();
    clock.timer(5, () => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    const work = clock.outside(new Promise((resolve) => setTimeout(resolve, 2)));
    await turns(3);
    expect(clock.nowUs()).toBe(0);
    await work;
    await turns();
    expect(clock.nowUs()).toBe(5);
  });

  it("serves two users, each sleeping in its own rhythm", async () => {
    const clock = new SimClock();
    const seen: string[] = [];
    const user = async (name: string, us: number, times: number): Promise<void> => {
      for (let at = 0; at < times; at++) {
        await clock.sleep(us);
        seen.push(`${name}@${clock.nowUs()}`);
      }
    };
    await Promise.all([user("a", 3, 4), user("b", 5, 2)]);
    expect(seen).toEqual(["a@3", "b@5", "a@6", "a@9", "b@10", "a@12"]);
  });

  it("tells wall time from a fixed base, so that runs repeat", async () => {
    const clock = new SimClock(1_000_000);
    await clock.sleep(2500);
    expect(clock.wallTime()).toBe(1_000_002);
    expect(new SimClock().wallTime()).toBe(new SimClock().wallTime());
  });
});
