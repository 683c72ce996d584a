import { describe, expect, it } from "@jest/globals";
import { openMcp2210 } from "../../../src/bridge/mcp2210/driver.js";
import type { Mcp2210Fault, Mcp2210ModelOptions } from "../../../src/sim/mcp2210/model.js";
import type { Segment } from "../../../src/spi/bridge.js";
import { parseCassette } from "../../../src/transport/cassette.js";
import { CassettePlayer } from "../../../src/transport/player.js";
import { HidPlayer } from "../../../src/transport/player-faces.js";
import { HidRecorder } from "../../../src/transport/recorder.js";
import type { HidDeviceInfo, HidTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { crc32 } from "../../../src/util/crc.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { codeOf, transaction } from "../ftdi/support.js";
import { Bench, HEADER } from "./support.js";

type Session = (transport: HidTransport, clock: Clock) => Promise<unknown[]>;

const SELECT: Segment = { kind: "select" };
const DESELECT: Segment = { kind: "deselect" };

function reading(length: number): { readonly into: Uint8Array; readonly segment: Segment } {
  const into = new Uint8Array(length);
  return { into, segment: { kind: "read", into } };
}

/** All that the driver does: long and short reads, a time-out, an abort in the middle, a close. */
function session(first = 0x11): Session {
  return async (transport, clock) => {
    const seen: unknown[] = [];
    const bridge = await openMcp2210({ transport, clock });
    const within = (ms: number): ReturnType<typeof deadlineIn> => deadlineIn(clock, ms);
    seen.push(await bridge.configure({ frequencyHz: 3e6 }));
    const long = reading(2000);
    const write: Segment = { kind: "write", data: Uint8Array.of(first, 2, 3) };
    seen.push(await codeOf(bridge.submit(transaction(SELECT, write, long.segment), within(3000))));
    seen.push(crc32(long.into));
    const cut = codeOf(bridge.submit(transaction(reading(60_000).segment), within(33)));
    seen.push(await cut, await codeOf(bridge.abort(within(1000))));
    const running = codeOf(bridge.submit(transaction(reading(60_000).segment), within(3000)));
    await clock.sleep(7000);
    seen.push(await codeOf(bridge.abort(within(1000))), await running);
    const short = reading(20);
    await codeOf(bridge.submit(transaction(DESELECT, SELECT, short.segment), within(900)));
    seen.push([...short.into]);
    await bridge.close();
    return seen;
  };
}

/** The lines of a session on the model. */
async function record(
  run: Session,
  options: Partial<Mcp2210ModelOptions>,
  prepare: (bench: Bench) => void = () => undefined,
): Promise<{ readonly text: string; readonly seen: unknown[] }> {
  const bench = new Bench(options);
  prepare(bench);
  let text = "";
  const recorder = new HidRecorder(bench.model.transport(), bench.clock, HEADER, (line) => {
    text += line;
  });
  return { seen: await run(recorder, recorder.clock), text };
}

async function replay(
  run: Session,
  text: string,
): Promise<{ seen: unknown; player: CassettePlayer }> {
  const player = new CassettePlayer(parseCassette(text));
  const transport = new HidPlayer(player, HEADER.device as HidDeviceInfo);
  return { seen: await run(transport, player), player };
}

describe("a recorded session of the driver", () => {
  const faults: readonly (readonly [
    string,
    Partial<Mcp2210ModelOptions>,
    Mcp2210Fault | undefined,
  ])[] = [
    ["as documented", {}, undefined],
    ["on a chip that is busy often", { busyUs: 7000, finished: "after-data" }, undefined],
    ["with an odd round trip", { roundTripUs: 1234.5 }, undefined],
    ["with an answer lost", {}, { kind: "drop", way: "in", report: 20 }],
    ["with an answer late", {}, { kind: "delay", us: 20_000, report: 20 }],
  ];

  it.each(faults)("replays to the same end with no chip: %s", async (_, options, fault) => {
    const { text, seen } = await record(session(), options, ({ model }) => {
      if (fault !== undefined) model.inject(fault);
    });
    if (fault === undefined) expect(seen[1]).toBe("done");
    const played = await replay(session(), text);
    expect(played.seen).toEqual(seen);
    expect(played.player.mismatch).toBeUndefined();
  });

  it("is told from another one", async () => {
    const { text } = await record(session(), {});
    const other = replay(session(0x12), text);
    expect(await codeOf(other)).toBe("CASSETTE_MISMATCH");
  });

  it("replays an unplug too", async () => {
    const unplugged: Session = async (transport, clock) => {
      const bridge = await openMcp2210({ transport, clock });
      const reads = [0, 1].map(() =>
        codeOf(bridge.submit(transaction(SELECT, reading(9000).segment), deadlineIn(clock, 3000))),
      );
      const seen: unknown[] = await Promise.all(reads);
      seen.push(await codeOf(bridge.abort(deadlineIn(clock, 1000))));
      await bridge.close();
      return seen;
    };
    const { text, seen } = await record(unplugged, {}, ({ clock, model }) => {
      clock.timer(150_000, () => model.unplug());
    });
    expect(seen).toEqual(new Array(3).fill("TRANSPORT_DISCONNECTED"));
    expect((await replay(unplugged, text)).seen).toEqual(seen);
  });
});
