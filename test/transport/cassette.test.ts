import { describe, expect, test } from "@jest/globals";
import { SimClock } from "../../src/sim/clock.js";
import { type CassetteHeader, CassetteLines, parseCassette } from "../../src/transport/cassette.js";
import { CassettePlayer } from "../../src/transport/player.js";
import { UsbRecorder } from "../../src/transport/recorder.js";
import type { UsbTransport } from "../../src/transport/types.js";
import type { Clock } from "../../src/util/clock.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { errorCode } from "../../src/util/errors.js";
import { EchoUsb } from "../support/fake-usb.js";

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
  arguments: ["info"],
  wallTimeMs: 1_767_323_045_000,
  randomSeed: "00",
};

interface Outcome {
  readonly answers: string[];
  readonly wall: number;
}

/** A run with everything in it: control both ways, a pause, transfers side by side, a stall, a cancel by timer. */
async function program(usb: UsbTransport, clock: Clock, payload = "aa87"): Promise<Outcome> {
  const answers: string[] = [];
  const by = deadlineIn(clock, 1000);
  const setup = { requestType: 0x40, request: 0, value: 0, index: 1 };
  await usb.controlOut(setup, new Uint8Array(0), by);
  answers.push(
    Buffer.from(await usb.controlIn({ ...setup, requestType: 0xc0 }, 2, by)).toString("hex"),
  );
  await clock.sleep(25_000);
  const reading = usb.bulkIn(0x81, 512, by);
  await Promise.all([usb.bulkOut(2, Buffer.from(payload, "hex"), by).done, reading.done]);
  answers.push(Buffer.from(await reading.done).toString("hex"));
  await usb
    .controlOut({ ...setup, request: 9 }, new Uint8Array(0), by)
    .catch((error) => answers.push(error.code));
  const idle = usb.bulkIn(0x81, 512, by);
  clock.timer(3000, () => idle.cancel());
  await idle.done.catch((error) => answers.push(error.code));
  return { answers, wall: clock.wallTime() };
}

async function record(): Promise<{ text: string; outcome: Outcome }> {
  const clock = new SimClock();
  let text = "";
  const recorder = new UsbRecorder(new EchoUsb(clock), clock, HEADER, (line) => {
    text += line;
  });
  const outcome = await program(recorder, recorder.clock);
  await recorder.close();
  return { text, outcome };
}

async function replay(text: string, payload?: string): Promise<Outcome> {
  const player = new CassettePlayer(parseCassette(text));
  const outcome = await program(player, player, payload);
  await player.close();
  return outcome;
}

/** Writes the lines anew with right checksums, after a change. */
function resealed(text: string, change: (lines: Record<string, unknown>[]) => void): string {
  const values = text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { crc: _, ...value } = JSON.parse(line);
      return value as Record<string, unknown>;
    });
  change(values);
  const chain = new CassetteLines();
  return values.map((value) => chain.next(value)).join("");
}

async function failure(
  work: Promise<unknown>,
): Promise<{ code: string | undefined; index: unknown }> {
  try {
    await work;
  } catch (error) {
    return {
      code: errorCode(error),
      index: (error as { details: { index?: unknown } }).details.index,
    };
  }
  throw new Error("it did not fail");
}

describe("a cassette", () => {
  test("replays to the same answers and the same wall time, without the device", async () => {
    const { text, outcome } = await record();
    expect(outcome.answers).toEqual(["5a5a", "aa87", "TRANSPORT_STALL", "TRANSPORT_CANCELLED"]);
    await expect(replay(text)).resolves.toEqual(outcome);
  });

  test("one changed byte anywhere in the file is refused with its line", async () => {
    const { text } = await record();
    const lines = text.split("\n");
    for (let at = 1; at < lines.length - 1; at++) {
      const damaged = [...lines];
      damaged[at] = (lines[at] as string).replace(/\d/, (digit) =>
        String((Number(digit) + 1) % 10),
      );
      const found = await failure(replay(damaged.join("\n")));
      expect(found).toEqual({ code: "CASSETTE_DAMAGED", index: at });
    }
  });

  test("a submit changed with its checksums made right again does not match, and says where", async () => {
    const { text } = await record();
    const at = text.split("\n").findIndex((line) => line.includes('"aa87"'));
    const changed = resealed(text, (lines) => {
      (lines[at] as Record<string, unknown>)["data"] = "aa86";
    });
    await expect(failure(replay(changed))).resolves.toEqual({
      code: "CASSETTE_MISMATCH",
      index: at,
    });
  });

  test("a run that sends something else does not match", async () => {
    const { text } = await record();
    const at = text.split("\n").findIndex((line) => line.includes('"aa87"'));
    await expect(failure(replay(text, "ab87"))).resolves.toEqual({
      code: "CASSETTE_MISMATCH",
      index: at,
    });
  });

  test("one transfer missing from the cassette does not match", async () => {
    const { text } = await record();
    const changed = resealed(text, (lines) => {
      const gone = lines.findIndex((line) => line["type"] === "bulkOut");
      const { id } = lines[gone] as { id: number };
      lines.splice(0, lines.length, ...lines.filter((line) => line["id"] !== id));
    });
    await expect(failure(replay(changed))).resolves.toMatchObject({ code: "CASSETTE_MISMATCH" });
  });

  test("one transfer too many in the cassette is left over at close", async () => {
    const { text } = await record();
    const changed = resealed(text, (lines) => {
      const last = lines.at(-1) as { t: number };
      lines.push({ t: last.t, id: 99, kind: "submit", type: "bulkOut", endpoint: 2, data: "87" });
      lines.push({ t: last.t, id: 99, kind: "complete" });
    });
    const count = changed.trimEnd().split("\n").length;
    await expect(failure(replay(changed))).resolves.toEqual({
      code: "CASSETTE_MISMATCH",
      index: count - 2,
    });
  });

  test("a run that waits for what was never recorded ends in a mismatch instead of hanging", async () => {
    const { text } = await record();
    const player = new CassettePlayer(parseCassette(text));
    const by = deadlineIn(player, 1000);
    const setup = { requestType: 0x40, request: 0, value: 0, index: 1 };
    await player.controlOut(setup, new Uint8Array(0));
    await player.controlIn({ ...setup, requestType: 0xc0 }, 2);
    const reading = player.bulkIn(0x81, 512);
    expect(by.atUs).toBeGreaterThan(0);
    await expect(failure(reading.done)).resolves.toMatchObject({ code: "CASSETTE_MISMATCH" });
  });

  test("another version, no cassette, and a submit without a completion are refused", async () => {
    const { text } = await record();
    const other = resealed(text, (lines) => {
      (lines[0] as Record<string, unknown>)["cassette"] = 2;
    });
    expect(await failure(replay(other))).toMatchObject({ code: "CASSETTE_VERSION" });
    expect(await failure(replay("hello\n"))).toMatchObject({ code: "CASSETTE_VERSION" });
    const open = resealed(text, (lines) => {
      lines.pop();
    });
    expect(await failure(replay(open))).toMatchObject({ code: "CASSETTE_DAMAGED" });
    expect(await failure(replay(text.slice(0, -20)))).toMatchObject({ code: "CASSETTE_DAMAGED" });
  });
});
