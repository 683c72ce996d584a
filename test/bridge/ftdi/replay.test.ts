import { describe, expect, test } from "@jest/globals";
import { openFtdi } from "../../../src/bridge/ftdi/driver.js";
import { SimClock } from "../../../src/sim/clock.js";
import { createFtdiModel } from "../../../src/sim/ftdi/model.js";
import type { Segment } from "../../../src/spi/bridge.js";
import { type CassetteHeader, parseCassette } from "../../../src/transport/cassette.js";
import { CassettePlayer } from "../../../src/transport/player.js";
import { UsbRecorder } from "../../../src/transport/recorder.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { crc32 } from "../../../src/util/crc.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { CountingDevice, codeOf, transaction } from "./support.js";

const HEADER: CassetteHeader = {
  cassette: 1,
  transport: "usb",
  bridge: "ftdi",
  tool: "0.0.0",
  zlib: "1.3",
  device: { vendorId: 0x0403, productId: 0x6014, bcdDevice: 0x0900, portPath: "1-1" },
  deviceString: "ft232h",
  packetSizes: { "2": 512, "129": 512 },
  capabilities: {},
  arguments: [],
  wallTimeMs: 1_767_323_045_000,
  randomSeed: "00",
};

/** A session with all that the driver does: pipelined reads, a time-out, aborts in the middle, a close. */
async function session(transport: UsbTransport, clock: Clock, first = 0x11): Promise<unknown[]> {
  const seen: unknown[] = [];
  const bridge = await openFtdi({ transport, clock });
  const select: Segment = { kind: "select" };
  const read = (length: number): { into: Uint8Array; segment: Segment } => {
    const into = new Uint8Array(length);
    return { into, segment: { kind: "read", into } };
  };
  seen.push(await bridge.configure({ frequencyHz: 30e6 }));
  const long = read(300_000);
  const write: Segment = { kind: "write", data: Uint8Array.of(first, 2, 3) };
  await bridge.submit(transaction(select, write, long.segment), deadlineIn(clock, 1000));
  seen.push(crc32(long.into));
  const cut = codeOf(bridge.submit(transaction(read(1 << 20).segment), deadlineIn(clock, 30)));
  seen.push(await cut, await bridge.abort(deadlineIn(clock, 1000)));
  const running = codeOf(bridge.submit(transaction(read(90_000).segment), deadlineIn(clock, 1000)));
  await clock.sleep(7000);
  seen.push(await bridge.abort(deadlineIn(clock, 1000)), await running);
  const short = read(20);
  await bridge.submit(
    transaction({ kind: "deselect" }, select, short.segment),
    deadlineIn(clock, 9),
  );
  seen.push([...short.into]);
  await bridge.close();
  return seen;
}

/** A cable pulled out in the middle of a long read with another queued. */
async function unplugged(transport: UsbTransport, clock: Clock): Promise<unknown[]> {
  const bridge = await openFtdi({ transport, clock });
  await bridge.configure({ frequencyHz: 30e6 });
  const reads = [0, 1].map(() =>
    codeOf(
      bridge.submit(
        transaction({ kind: "select" }, { kind: "read", into: new Uint8Array(1 << 20) }),
        deadlineIn(clock, 1000),
      ),
    ),
  );
  const seen = await Promise.all(reads);
  seen.push(await codeOf(bridge.abort(deadlineIn(clock, 1000))));
  await bridge.close();
  return seen;
}

describe("a recorded session of the driver", () => {
  test("an unplug replays too", async () => {
    const clock = new SimClock();
    const model = createFtdiModel({ clock, spi: new CountingDevice() });
    let text = "";
    const recorder = new UsbRecorder(model.transport(0), clock, HEADER, (line) => {
      text += line;
    });
    clock.timer(150_000, () => model.unplug());
    const recorded = await unplugged(recorder, recorder.clock);
    expect(recorded).toEqual(new Array(3).fill("TRANSPORT_DISCONNECTED"));
    const player = new CassettePlayer(parseCassette(text));
    expect(await unplugged(player, player)).toEqual(recorded);
  });

  test("replays to the same end, with no chip", async () => {
    const clock = new SimClock();
    const model = createFtdiModel({ clock, spi: new CountingDevice() });
    let text = "";
    const recorder = new UsbRecorder(model.transport(0), clock, HEADER, (line) => {
      text += line;
    });
    const recorded = await session(recorder, recorder.clock);
    expect(recorded.slice(2, 6)).toEqual(["BRIDGE_TIMEOUT", "low", "low", "BRIDGE_CANCELLED"]);
    const player = new CassettePlayer(parseCassette(text));
    expect(await session(player, player)).toEqual(recorded);
    expect(player.mismatch).toBeUndefined();

    const other = new CassettePlayer(parseCassette(text));
    expect(await codeOf(session(other, other, 0x12))).toBe("CASSETTE_MISMATCH");
  });
});
