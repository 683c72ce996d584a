import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readCassette } from "../../src/device/replay.js";
import { decodeCassette } from "../../src/trace/chips.js";
import { exportTrace } from "../../src/trace/export.js";
import { concatBytes } from "../../src/util/bytes.js";
import { recordSession } from "../support/recorded.js";
import { hasTool, toolEnv } from "./support/tools.js";
import { RecordedRuns } from "./traces/recorded-run.js";

const judged = hasTool("sigrok-cli", "sigrok-cli") ? describe : describe.skip;
const dir = mkdtempSync(join(tmpdir(), "mmcpstore-sigrok-"));
const runs = new RecordedRuns();
beforeAll(() => runs.makeCard());
afterAll(() => {
  runs.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** The bytes that sigrok's SPI decoder sees on one line. */
function sigrok(input: readonly string[], lines: string, side: "mosi" | "miso"): Buffer {
  return execFileSync("sigrok-cli", [...input, "-P", `spi:${lines}`, "-B", `spi=${side}`], {
    env: toolEnv,
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

const WIRES = "clk=clk:mosi=mosi:miso=miso:cs=cs";

judged("sigrok's SPI decoder", () => {
  test("reads the same bytes from our VCD and our session file of a simulated session as our own decoder, and MOSI as the card was clocked with", async () => {
    const { cassette, tap } = await recordSession(async (card) => {
      await card.write(
        9,
        new Uint8Array(2 * 512).map((_, at) => at & 0xff),
      );
      await card.read(9, new Uint8Array(2 * 512));
      await card.read(1, new Uint8Array(512));
    });
    const { spi } = decodeCassette(cassette);
    const selected = spi.flatMap((item) => (item.kind === "bytes" && item.selected ? [item] : []));
    const miso = Buffer.concat(selected.map((item) => item.miso));
    for (const format of ["vcd", "sr"] as const) {
      const file = join(dir, `session.${format}`);
      writeFileSync(file, concatBytes([...exportTrace(cassette, format)]));
      const input = format === "vcd" ? ["-I", "vcd", "-i", file] : ["-i", file];
      expect([format, sigrok(input, WIRES, "mosi").equals(Buffer.from(tap.mosi))]).toEqual([
        format,
        true,
      ]);
      expect([format, sigrok(input, WIRES, "miso").equals(miso)]).toEqual([format, true]);
    }
  });

  test.each(["ft232h", "ch341a", "ch347t", "mcp2210", "serprog"])(
    "reads what the command line exports of a run of %s",
    async (bridge) => {
      const { path } = await runs.record(bridge, ["info"]);
      const { spi } = decodeCassette(await readCassette(path));
      const all = spi.flatMap((item) => (item.kind === "bytes" && item.selected ? [item] : []));
      for (const side of ["mosi", "miso"] as const) {
        const own = Buffer.concat(all.map((item) => item[side]));
        expect(own.length).toBeGreaterThan(1000);
        expect(sigrok(["-i", await runs.export(path, "sr")], WIRES, side).equals(own)).toBe(true);
      }
    },
  );

  test.each(["cmd17", "data_transfer_complete_real", "xmore_512mb_get_csd"])(
    "agrees with the ground truth that our card decoder is tested with: %s",
    (name) => {
      const captures = join(process.cwd(), "test/data/captures");
      const truth = JSON.parse(readFileSync(join(captures, `${name}.json`), "utf8"));
      const wires = Object.entries(truth.map as Record<string, string>)
        .map(([role, channel]) => `${role}=${channel}`)
        .join(":");
      for (const side of ["mosi", "miso"] as const) {
        const bytes = sigrok(["-i", join(captures, `${name}.sr`)], wires, side);
        expect(createHash("sha256").update(bytes).digest("hex")).toBe(truth[`${side}_sha256`]);
      }
    },
  );
});
