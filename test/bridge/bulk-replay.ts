import { describe, expect, it } from "@jest/globals";
import type { UsbFault } from "../../src/sim/usb/faults.js";
import type { AdapterBridge } from "../../src/spi/bridge.js";
import { type CassetteHeader, parseCassette } from "../../src/transport/cassette.js";
import { CassettePlayer } from "../../src/transport/player.js";
import { UsbRecorder } from "../../src/transport/recorder.js";
import type { UsbTransport } from "../../src/transport/types.js";
import type { Clock } from "../../src/util/clock.js";
import { crc32 } from "../../src/util/crc.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { type BulkBench, DESELECT, headerOf, reading, SELECT } from "./bulk-bench.js";
import { codeOf, transaction } from "./ftdi/support.js";

export interface ReplayedChip {
  readonly bridge: CassetteHeader["bridge"];
  readonly open: (transport: UsbTransport, clock: Clock) => Promise<AdapterBridge>;
  /** Models that it is recorded on, by name. */
  readonly benches: readonly (readonly [string, () => BulkBench])[];
  /** Bytes that take a while. */
  readonly longRead: number;
}

type Session = (transport: UsbTransport, clock: Clock) => Promise<unknown[]>;

/** All that the driver does: long and short reads, a time-out, an abort in the middle, a close. */
function sessionOf({ open, longRead }: ReplayedChip, first = 0x11): Session {
  return async (transport, clock) => {
    const seen: unknown[] = [];
    const bridge = await open(transport, clock);
    const within = (ms: number): ReturnType<typeof deadlineIn> => deadlineIn(clock, ms);
    const { maxFrequencyHz } = bridge.capabilities;
    seen.push(await bridge.configure({ frequencyHz: maxFrequencyHz }));
    const long = reading(2000);
    const write = { kind: "write", data: Uint8Array.of(first, 2, 3) } as const;
    seen.push(await codeOf(bridge.submit(transaction(SELECT, write, long.segment), within(3000))));
    seen.push(crc32(long.into));
    const cut = codeOf(bridge.submit(transaction(reading(longRead).segment), within(7)));
    seen.push(await cut, await codeOf(bridge.abort(within(1000))));
    const running = codeOf(bridge.submit(transaction(reading(longRead).segment), within(3000)));
    await clock.sleep(5000);
    seen.push(await codeOf(bridge.abort(within(1000))), await running);
    const short = reading(20);
    await codeOf(bridge.submit(transaction(DESELECT, SELECT, short.segment), within(900)));
    seen.push([...short.into]);
    await bridge.close();
    return seen;
  };
}

/** A cable pulled out in the middle of a long read with another queued. */
function unpluggedOf({ open, longRead }: ReplayedChip, opened: () => void): Session {
  return async (transport, clock) => {
    const bridge = await open(transport, clock);
    opened();
    const reads = [0, 1].map(() =>
      codeOf(
        bridge.submit(transaction(SELECT, reading(longRead).segment), deadlineIn(clock, 3000)),
      ),
    );
    const seen: unknown[] = await Promise.all(reads);
    seen.push(await codeOf(bridge.abort(deadlineIn(clock, 1000))));
    await bridge.close();
    return seen;
  };
}

/** The lines of a session on the model. */
async function record(
  { bridge }: ReplayedChip,
  run: Session,
  bench: BulkBench,
): Promise<{ readonly text: string; readonly seen: unknown[] }> {
  const { model, clock } = bench;
  let text = "";
  const recorder = new UsbRecorder(model.transport(), clock, headerOf(bridge, model), (line) => {
    text += line;
  });
  return { seen: await run(recorder, recorder.clock), text };
}

async function replay(
  run: Session,
  text: string,
): Promise<{ readonly seen: unknown; readonly player: CassettePlayer }> {
  const player = new CassettePlayer(parseCassette(text));
  return { seen: await run(player, player), player };
}

const FAULTS: readonly (readonly [string, UsbFault | undefined])[] = [
  ["nothing wrong", undefined],
  ["an answer lost", { endpoint: "in", transfer: 9, kind: "drop" }],
  ["an answer late", { endpoint: "in", transfer: 9, kind: "delay", us: 20_000 }],
  ["a command lost", { endpoint: "out", transfer: 7, kind: "drop" }],
];

/** Recorded on the model, and replayed with no chip: the same for all chips with two bulk endpoints. */
export function testReplay(chip: ReplayedChip): void {
  describe.each(chip.benches)("a recorded session: %s", (_, make) => {
    it.each(FAULTS)("replays to the same end with no chip: %s", async (__, fault) => {
      const bench = make();
      if (fault !== undefined) bench.model.inject(fault);
      const run = sessionOf(chip);
      const { text, seen } = await record(chip, run, bench);
      if (fault === undefined)
        expect(seen.slice(3, 7)).toEqual(["BRIDGE_TIMEOUT", "done", "done", "BRIDGE_CANCELLED"]);
      const played = await replay(run, text);
      expect(played.seen).toEqual(seen);
      expect(played.player.mismatch).toBeUndefined();
    });

    it("is told from another one", async () => {
      const { text } = await record(chip, sessionOf(chip), make());
      expect(await codeOf(replay(sessionOf(chip, 0x12), text))).toBe("CASSETTE_MISMATCH");
    });

    it("replays an unplug too", async () => {
      const bench = make();
      const pull = unpluggedOf(chip, () => {
        bench.clock.timer(30_000, () => bench.model.unplug());
      });
      const { text, seen } = await record(chip, pull, bench);
      expect(seen).toEqual(new Array(3).fill("TRANSPORT_DISCONNECTED"));
      const again = unpluggedOf(chip, () => undefined);
      expect((await replay(again, text)).seen).toEqual(seen);
    });
  });
}
