import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { CardDecoder, type CardEvent, describeCardEvent } from "../../src/card/decoder.js";
import { readSigrok, type SpiFrame, sampleSpi } from "../support/sigrok-file.js";

interface Truth {
  readonly map: Readonly<Record<"clk" | "mosi" | "miso" | "cs", string>>;
  readonly frames: readonly {
    start: number;
    end: number | null;
    nbytes: number;
    strayBits: number;
  }[];
  readonly spiBytes: number;
  readonly mosiSha256: string;
  readonly misoSha256: string;
  readonly commands: readonly Readonly<Record<string, unknown>>[];
}

const CAPTURES = join(process.cwd(), "test/data/captures");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const hex = (value: number, digits = 2): string => `0x${value.toString(16).padStart(digits, "0")}`;

/** The ground truth with our spelling of names. */
function readTruth(path: string): Truth {
  const text = readFileSync(path, "utf8");
  return JSON.parse(
    text.replaceAll(/"([a-z0-9]+(?:_[a-z0-9]+)+)":/g, (name) =>
      name.replaceAll(/_([a-z0-9])/g, (_, next: string) => next.toUpperCase()),
    ),
  ) as Truth;
}

function decode(frames: readonly SpiFrame[]): CardEvent[] {
  const events: CardEvent[] = [];
  const decoder = new CardDecoder((event) => events.push(event));
  for (const frame of frames) {
    decoder.push(frame.mosi, frame.miso);
    if (frame.end !== null) decoder.deselect();
  }
  decoder.finish();
  return events;
}

/** What our events say of each command, in the words of the ground truth. */
function facts(events: readonly CardEvent[]): Record<string, unknown>[] {
  const commands: Record<string, unknown>[] = [];
  for (const event of events) {
    const now = commands.at(-1) ?? {};
    if (event.kind === "command") {
      commands.push({
        index: event.index,
        acmd: event.app,
        arg: hex(event.argument, 8),
        token: Buffer.from(event.token).toString("hex"),
        crc7: hex(event.crc7),
        crc7Expected: hex(event.crc7Expected),
        crc7Ok: event.crc7 === event.crc7Expected,
      });
    } else if (event.kind === "response")
      Object.assign(now, { ncrBytes: event.ncr, r1: hex(event.r1) });
    else if (event.kind === "block") {
      Object.assign(now, {
        dataToken: hex(event.token),
        [event.direction === "read" ? "nacBytes" : "nwrBytes"]: event.gap,
        dataLen: event.data.length,
        dataSha256: sha256(event.data),
        crc16: event.crc16.toString(16).padStart(4, "0"),
        crc16Expected: event.crc16Expected.toString(16).padStart(4, "0"),
        crc16Ok: event.crc16 === event.crc16Expected,
      });
    } else if (event.kind === "data-response")
      Object.assign(now, { dataResponseGap: event.gap, dataResponse: hex(event.value) });
    else if (event.kind === "busy") Object.assign(now, { busyBytesZero: event.bytes });
  }
  return commands;
}

describe.each(["cmd17", "data_transfer_complete_real", "xmore_512mb_get_csd"])(
  "capture of a real card: %s",
  (name) => {
    const truth = readTruth(join(CAPTURES, `${name}.json`));
    const frames = sampleSpi(readSigrok(join(CAPTURES, `${name}.sr`)), truth.map);

    test("the sampled bytes and frames are those of the ground truth", () => {
      expect(
        frames.map(({ start, end, mosi, strayBits }) => ({
          start,
          end,
          nbytes: mosi.length,
          strayBits: strayBits,
        })),
      ).toEqual(truth.frames);
      expect(frames.reduce((sum, { mosi }) => sum + mosi.length, 0)).toBe(truth.spiBytes);
      expect(sha256(Buffer.concat(frames.map(({ mosi }) => mosi)))).toBe(truth.mosiSha256);
      expect(sha256(Buffer.concat(frames.map(({ miso }) => miso)))).toBe(truth.misoSha256);
    });

    test("every command, response, block, CRC and busy decodes to the ground truth", () => {
      const found = facts(decode(frames));
      expect(found).toHaveLength(truth.commands.length);
      for (const [at, command] of found.entries())
        expect(truth.commands[at]).toMatchObject(command);
      const told = (list: readonly Readonly<Record<string, unknown>>[], field: string): unknown[] =>
        list.map((one) => one[field]);
      for (const field of [
        "r1",
        "dataSha256",
        "dataResponse",
        "busyBytesZero",
        "nacBytes",
        "nwrBytes",
      ]) {
        expect(told(found, field)).toEqual(told(truth.commands, field));
      }
    });
  },
);

test("any bytes at all decode to facts without an exception, however they are cut", () => {
  const bytes = fc.uint8Array({ maxLength: 2000 });
  fc.assert(
    fc.property(bytes, bytes, fc.array(fc.nat(1999)), (mosi, other, cuts) => {
      const miso = Uint8Array.from(mosi, (_, at) => other[at % Math.max(1, other.length)] ?? 0xff);
      const whole = decode([{ start: 0, end: null, mosi, miso, strayBits: 0 }]);
      const parts: CardEvent[] = [];
      const decoder = new CardDecoder((event) => parts.push(event));
      let from = 0;
      for (const to of [
        ...cuts.filter((cut) => cut < mosi.length).sort((a, b) => a - b),
        mosi.length,
      ]) {
        decoder.push(mosi.subarray(from, to), miso.subarray(from, to));
        from = to;
      }
      decoder.finish();
      expect(parts).toEqual(whole);
      for (const event of whole) expect(describeCardEvent(event)).not.toBe("");
    }),
  );
});
