import { describe, expect, it } from "@jest/globals";
import { ConsoleFollower } from "../../src/console/follower.js";
import type { PortNotice } from "../../src/console/serial-source.js";
import { watchConsole } from "../../src/console/watch.js";
import { SimClock } from "../../src/sim/clock.js";

const BUG = "[    1.000000] kernel BUG at a.c:1!\n";
const END = "[    1.100000] ---[ end trace 0123456789abcdef ]---\n";
/** `[ms after the one before, what comes]` */
type Script = readonly (readonly [number, string | PortNotice])[];

/** What happens, with the time in ms at which it does. */
async function play(script: Script, quietMs = 1000, longestMs = 5000): Promise<string[]> {
  const clock = new SimClock();
  async function* source(): AsyncGenerator<Uint8Array | PortNotice> {
    for (const [ms, piece] of script) {
      await clock.sleep(ms * 1000);
      yield typeof piece === "string" ? Buffer.from(piece) : piece;
    }
  }
  const follower = new ConsoleFollower({ maxBytes: 100_000 });
  const seen: string[] = [];
  for await (const event of watchConsole(source(), follower, { clock, quietMs, longestMs })) {
    const what = event.kind === "report" ? `report by ${event.ended}` : event.kind;
    seen.push(`${clock.nowUs() / 1000} ${what}`);
  }
  return seen;
}

describe("watching a console", () => {
  it("a report is over when its end marker comes, at once", async () => {
    expect(
      await play([
        [100, BUG],
        [50, END],
        [9000, "more\n"],
      ]),
    ).toEqual(["100 start", "150 report by end marker"]);
  });

  it("or when nothing has come for the quiet period", async () => {
    expect(
      await play([
        [100, BUG],
        [900, "a\n"],
        [900, "b\n"],
        [9000, "c\n"],
      ]),
    ).toEqual(["100 start", "2900 report by quiet"]);
  });

  it("or when it has waited long enough on a console that is never quiet", async () => {
    const chatter: Script = Array.from({ length: 30 }, () => [500, "heartbeat\n"] as const);
    expect(await play([[100, BUG], ...chatter])).toEqual(["100 start", "5100 report by overdue"]);
  });

  it("or when the console ends", async () => {
    expect(await play([[100, `${BUG}no newline`]])).toEqual([
      "100 start",
      "100 report by end of input",
    ]);
  });

  it("each report has a patience of its own", async () => {
    const slow: Script = Array.from({ length: 9 }, () => [500, "x\n"] as const);
    expect(await play([[0, BUG], ...slow, [0, END + BUG], ...slow, [0, END]])).toEqual([
      "0 start",
      "4500 report by end marker",
      "4500 start",
      "9000 report by end marker",
    ]);
  });

  it("no report, no waiting: a quiet console is only quiet", async () => {
    expect(
      await play([
        [100, "a\n"],
        [99_000, "b\n"],
      ]),
    ).toEqual([]);
  });

  it("a port that vanishes in the middle does not end the report; being gone is being quiet", async () => {
    const script: Script = [
      [0, BUG],
      [300, { kind: "gone" }],
      [3000, { kind: "back" }],
      [10, BUG],
      [10, END],
    ];
    expect(await play(script)).toEqual([
      "0 start",
      "300 gone",
      "1300 report by quiet",
      "3300 back",
      "3310 start",
      "3320 report by end marker",
    ]);
  });

  it("a source that fails fails the watch", async () => {
    const clock = new SimClock();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(BUG);
      throw new Error("broken");
    }
    const follower = new ConsoleFollower({ maxBytes: 1000 });
    const events = watchConsole(broken(), follower, { clock, quietMs: 1, longestMs: 2 });
    expect((await events.next()).value).toMatchObject({ kind: "start" });
    await expect(events.next()).rejects.toThrow("broken");
  });
});
