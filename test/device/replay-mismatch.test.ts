import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { openReplay } from "../../src/device/replay.js";
import { CassetteLines } from "../../src/transport/cassette.js";
import { silentLog } from "../../src/util/log.js";
import { recordSession } from "../support/recorded.js";

const dir = mkdtempSync(join(tmpdir(), "mmcpstore-replay-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Line = Record<string, unknown>;
const session = recordSession(async (card) => card.read(0x0800, new Uint8Array(512)));

/** Writes a cassette after a change of its lines, checksums made right again, and replays the session. */
async function replay(change: (lines: Line[]) => void): Promise<unknown> {
  const { text } = await session;
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { crc: _, ...value } = JSON.parse(line) as Line;
      return value as Line;
    });
  change(lines);
  const chain = new CassetteLines();
  const path = join(dir, "run.cassette");
  writeFileSync(path, lines.map((line) => chain.next(line)).join(""));
  try {
    const device = await openReplay(path, {
      log: silentLog,
      readOnly: false,
      crc: true,
      version: "test",
      lockDir: dir,
    });
    await device.block.read(0x0800, new Uint8Array(512));
    await device.close();
    return "equal";
  } catch (error) {
    return error;
  }
}

/** Index of the script that holds the frame of CMD17 to block 0x800. */
const cmd17 = (lines: readonly Line[]): number =>
  lines.findIndex(({ type, data }) => type === "bulkOut" && String(data).includes("5100000800"));

describe("a replayed recording of a whole card session", () => {
  test("as it is: equal", async () => {
    expect(await replay(() => undefined)).toBe("equal");
  });

  test("one byte changed in a submit, checksums right: refused with its index and what it means on both sides", async () => {
    let index = 0;
    const failure = await replay((lines) => {
      index = cmd17(lines);
      const line = lines[index] as Line;
      line["data"] = String(line["data"]).replace("5100000800", "5100000801");
    });
    expect(failure).toMatchObject({ code: "CASSETTE_MISMATCH", details: { index } });
    expect((failure as Error).message).toContain("CMD17_READ_SINGLE_BLOCK argument 0x00000800");
  });

  test("one byte changed in the data that the card sent: a CRC error makes the host ask for what is not recorded", async () => {
    const failure = await replay((lines) => {
      const at = cmd17(lines);
      const reply = lines
        .slice(at)
        .find(({ kind, data }) => kind === "complete" && String(data).length > 1000) as Line;
      const text = String(reply["data"]);
      reply["data"] = `${text.slice(0, 600)}${text[600] === "0" ? "1" : "0"}${text.slice(601)}`;
    });
    expect(failure).toMatchObject({ code: "CASSETTE_MISMATCH" });
  });

  test("every single transfer missing in turn, near the read: refused, never hanging", async () => {
    const { cassette } = await session;
    const ids = cassette.events
      .filter(({ kind }) => kind === "submit")
      .map(({ id }) => id)
      .slice(-12);
    for (const gone of ids) {
      const failure = await replay((lines) => {
        lines.splice(0, lines.length, ...lines.filter(({ id }) => id !== gone));
      });
      expect({ gone, code: (failure as { code?: string }).code }).toEqual({
        gone,
        code: "CASSETTE_MISMATCH",
      });
    }
  });
});
