import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { CardIdentity } from "../../src/card/identity.js";
import type { CardIntent } from "../../src/card/intent.js";
import {
  describeLeftBehind,
  IntentJournal,
  interruptionOf,
  type LeftBehind,
  runtimeFile,
} from "../../src/device/journal.js";
import type { Log } from "../../src/util/log.js";
import { silentLog } from "../../src/util/log.js";
import { TempFolder } from "../support/temp-images.js";

const CID = "275048534431364730da89b82900fb61";
const NOW_MS = Date.UTC(2026, 2, 1);
const ENTRY_BYTES = 512;
const identity = (integrityClass: "A" | "B" = "A"): CardIdentity =>
  ({ cid: { raw: CID }, integrityClass, frequencyHz: 25_000_000 }) as CardIdentity;

const folder = new TempFolder();
afterAll(() => folder.remove());

let path = "";
let files = 0;
beforeEach(() => {
  path = folder.at(`${files++}.journal`);
});

function journal(nowMs: number = NOW_MS, log: Log = silentLog): IntentJournal {
  return new IntentJournal(path, { wallTime: () => nowMs }, log);
}

/** Counts what is said at `warn`. */
function countingLog(): { readonly log: Log; readonly warnings: string[] } {
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (_, message) => void warnings.push(message) };
  return { log, warnings };
}

const WRITING: CardIntent = { doing: "writing", lba: 8192, blocks: 128 };

describe("what a process that is gone was doing", () => {
  test("nothing, if no card was ever identified: there is no file", () => {
    const user = journal();
    user.begin(WRITING);
    user.end();
    user.finish();
    expect(existsSync(path)).toBe(false);
    expect(journal().leftBehind()).toBeUndefined();
  });

  test("idle, once the card is identified", () => {
    journal().start(identity());
    expect(journal().leftBehind()).toEqual({
      cid: CID,
      crcProved: true,
      frequencyHz: 25_000_000,
    });
  });

  test.each([
    WRITING,
    { doing: "reading", lba: 0, blocks: 1 },
    { doing: "erasing", lba: 2 ** 32 - 1, blocks: 1 },
  ] as const)("%j, if it was killed in it", (intent) => {
    const killed = journal();
    killed.start(identity("B"));
    killed.begin(intent);
    expect(journal().leftBehind()).toMatchObject({ crcProved: false, intent });
  });

  test("the last of several: an entry leaves nothing of a longer one before it", () => {
    const killed = journal();
    killed.start(identity());
    killed.begin({ doing: "erasing", lba: 4_000_000_000, blocks: 4_000_000_000, eraseMs: 60_000 });
    killed.begin({ doing: "reading", lba: 1, blocks: 2 });
    expect(journal().leftBehind()?.intent).toEqual({ doing: "reading", lba: 1, blocks: 2 });
    killed.end();
    expect(journal().leftBehind()).toEqual({ cid: CID, crcProved: true, frequencyHz: 25_000_000 });
    expect(readFileSync(path).length).toBe(ENTRY_BYTES);
  });

  test("an erase, with the wall time until which the card may go on by itself", () => {
    const killed = journal();
    killed.start(identity());
    killed.begin({ doing: "erasing", lba: 0, blocks: 1024, eraseMs: 30_000 });
    expect(journal().leftBehind()?.eraseUntilMs).toBe(NOW_MS + 30_000);
  });

  test("nothing, after a proper end, which may be said twice", () => {
    const user = journal();
    user.start(identity());
    user.begin(WRITING);
    user.finish();
    user.finish();
    user.end();
    expect(existsSync(path)).toBe(false);
  });

  test("the same file serves an identification that comes again", () => {
    const user = journal();
    user.start(identity("A"));
    user.begin(WRITING);
    user.start(identity("B"));
    expect(journal().leftBehind()).toMatchObject({ crcProved: false });
    expect(journal().leftBehind()?.intent).toBeUndefined();
  });

  test("is nobody else's business", () => {
    journal().start(identity());
    expect(statSync(path).mode & 0o077).toBe(0);
  });
});

describe("an entry that makes no sense is none", () => {
  test.each([
    ["empty", ""],
    ["cut", '{"journal":1,"cid":"2750'],
    ["no JSON", "\0".repeat(ENTRY_BYTES)],
    ["null", "null"],
    ["a list", "[]"],
    ["another version", JSON.stringify({ journal: 2, cid: CID, crcProved: true })],
    ["no CID", JSON.stringify({ journal: 1, crcProved: true })],
    ["a class that is no truth value", JSON.stringify({ journal: 1, cid: CID, crcProved: "yes" })],
  ])("%s", (_, text) => {
    writeFileSync(path, text);
    expect(journal().leftBehind()).toBeUndefined();
  });

  test("parts of it that make no sense are left out", () => {
    const base = { journal: 1, cid: CID, crcProved: true };
    const intent = { doing: "formatting", lba: 1, blocks: 1 };
    writeFileSync(path, JSON.stringify({ ...base, frequencyHz: "x", intent, eraseUntilMs: null }));
    expect(journal().leftBehind()).toEqual({ cid: CID, crcProved: true, frequencyHz: 400_000 });
  });

  test("whatever is in the file, reading it does not fail", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        writeFileSync(path, text);
        expect(() => journal().leftBehind()).not.toThrow();
      }),
      { numRuns: 200 },
    );
  });
});

describe("what cannot be kept is said, and stops nobody", () => {
  test("a folder that is not there", () => {
    const { log, warnings } = countingLog();
    path = folder.at("none/of/this.journal");
    const user = journal(NOW_MS, log);
    user.start(identity());
    user.begin(WRITING);
    user.end();
    user.finish();
    expect(warnings).toHaveLength(1);
    expect(user.leftBehind()).toBeUndefined();
  });

  test("a folder in its place", () => {
    const { log, warnings } = countingLog();
    mkdirSync(path);
    const user = journal(NOW_MS, log);
    user.start(identity());
    expect(warnings).toHaveLength(1);
    expect(user.leftBehind()).toBeUndefined();
  });
});

describe("what the card layer makes of it", () => {
  const left: LeftBehind = { cid: CID, crcProved: true, frequencyHz: 25e6 };
  const clock = { wallTime: () => NOW_MS };

  test.each<[string, LeftBehind | undefined, ReturnType<typeof interruptionOf>]>([
    ["a proper end", undefined, undefined],
    [
      "killed while idle: a read may have begun since",
      left,
      { crcProved: true, mayBeReading: true },
    ],
    [
      "killed in a write: no access time is waited out",
      { ...left, crcProved: false, intent: WRITING },
      { crcProved: false, mayBeReading: false },
    ],
    [
      "killed in a read",
      { ...left, intent: { ...WRITING, doing: "reading" } },
      { crcProved: true, mayBeReading: true },
    ],
    [
      "an erase that may go on",
      { ...left, intent: { ...WRITING, doing: "erasing" }, eraseUntilMs: NOW_MS + 7000 },
      { crcProved: true, mayBeReading: false, busyMs: 7000 },
    ],
    [
      "an erase that is over by now",
      { ...left, intent: { ...WRITING, doing: "erasing" }, eraseUntilMs: NOW_MS - 7000 },
      { crcProved: true, mayBeReading: false, busyMs: 0 },
    ],
  ])("%s", (_, given, wanted) => {
    expect(interruptionOf(given, clock)).toEqual(wanted);
  });

  test("and what people read", () => {
    expect(describeLeftBehind(left)).toBe("not in the middle of anything");
    expect(describeLeftBehind({ ...left, intent: WRITING })).toBe("writing blocks 8192+128");
  });

  test("adapters do not share files, and their names stay in the folder", () => {
    const lockDir = "/run/user/1000";
    expect(runtimeFile("ft232h:FT1", { lockDir }, "journal")).toBe(
      "/run/user/1000/mmcpstore-ft232h-FT1.journal",
    );
    expect(runtimeFile("serprog:/dev/ttyACM0", { lockDir }, "lock")).toBe(
      "/run/user/1000/mmcpstore-serprog--dev-ttyACM0.lock",
    );
  });
});
