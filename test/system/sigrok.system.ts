import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { decodeCassette } from "../../src/trace/chips.js";
import { exportVcd } from "../../src/trace/vcd.js";
import { recordSession } from "../support/recorded.js";
import { hasTool, toolEnv } from "./support/tools.js";

const judged = hasTool("sigrok-cli", "sigrok-cli") ? describe : describe.skip;
const dir = mkdtempSync(join(tmpdir(), "mmcpstore-sigrok-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The bytes that sigrok's SPI decoder sees on one line. */
function sigrok(input: readonly string[], lines: string, side: "mosi" | "miso"): Buffer {
  return execFileSync("sigrok-cli", [...input, "-P", `spi:${lines}`, "-B", `spi=${side}`], {
    env: toolEnv,
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

judged("sigrok's SPI decoder", () => {
  test("reads the same bytes from our VCD of a simulated session as our own decoder, and MOSI as the card was clocked with", async () => {
    const { cassette, tap } = await recordSession(async (card) => {
      await card.write(
        9,
        new Uint8Array(2 * 512).map((_, at) => at & 0xff),
      );
      await card.read(9, new Uint8Array(2 * 512));
      await card.read(1, new Uint8Array(512));
    });
    const { spi } = decodeCassette(cassette);
    const file = join(dir, "session.vcd");
    writeFileSync(file, [...exportVcd(spi)].join(""));
    const selected = spi.flatMap((item) => (item.kind === "bytes" && item.selected ? [item] : []));
    const wires = "clk=clk:mosi=mosi:miso=miso:cs=cs";
    expect(sigrok(["-I", "vcd", "-i", file], wires, "mosi").equals(Buffer.from(tap.mosi))).toBe(
      true,
    );
    expect(
      sigrok(["-I", "vcd", "-i", file], wires, "miso").equals(
        Buffer.concat(selected.map(({ miso }) => miso)),
      ),
    ).toBe(true);
  });

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
