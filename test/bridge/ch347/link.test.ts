import { describe, expect, it } from "@jest/globals";
import { type Command, encodeReadSettings, encodeStep } from "../../../src/bridge/ch347/codec.js";
import { openCh347 } from "../../../src/bridge/ch347/driver.js";
import { Ch347Link } from "../../../src/bridge/ch347/link.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { toHex } from "../../../src/util/bytes.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { isMmcpstoreError } from "../../../src/util/errors.js";
import { reading, SELECT } from "../bulk-bench.js";
import { ScriptedUsb } from "../ftdi/scripted-usb.js";
import { codeOf, transaction } from "../ftdi/support.js";
import { Bench } from "./support.js";

const HZ = 15e6;

interface Outcome {
  readonly reply: string;
  readonly code: string;
  readonly log: readonly string[];
}

/** Runs ops against a device that answers the n-th OUT transfer with the n-th list of IN transfers. */
async function run(
  ops: readonly BusOp[],
  answers: readonly (readonly string[])[],
): Promise<Outcome> {
  return runCommands(encodeStep(ops, HZ), answers);
}

async function runCommands(
  script: { readonly commands: readonly Command[]; readonly replyBytes: number },
  answers: readonly (readonly string[])[],
): Promise<Outcome> {
  const clock = new SimClock();
  const usb = new ScriptedUsb(clock, (_, count) => answers[count] ?? []);
  usb.idleAnswers = false;
  const link = new Ch347Link(usb);
  const done = link.run(script, deadlineIn(clock, 100));
  const [reply, code] = await done.then(
    (bytes) => [toHex(bytes), "done"] as const,
    (error: unknown) => ["", isMmcpstoreError(error) ? error.code : String(error)] as const,
  );
  expect([link.busy, usb.inFlight]).toEqual([false, 0]);
  return { reply, code, log: usb.log };
}

const read = (length: number): BusOp => ({ kind: "read", length });
const exchange: BusOp = { kind: "exchange", data: Uint8Array.of(1, 2) };
const write: BusOp = { kind: "write", data: Uint8Array.of(1, 2) };

describe("answers", () => {
  it.each<[string, BusOp, readonly string[], string]>([
    ["in one transfer", exchange, ["c20200aabb"], "aabb"],
    ["in three, one of them empty", exchange, ["c20200", "", "aabb"], "aabb"],
    ["byte by byte", exchange, ["c2", "02", "00", "aa", "bb"], "aabb"],
    ["of a read, in frames as the chip likes", read(4), ["c30100aa", "c30300bbccdd"], "aabbccdd"],
    ["of a write", write, ["c4010000"], ""],
  ])("are taken %s", async (_, op, answers, reply) => {
    expect(await run([op], [answers])).toMatchObject({ reply, code: "done" });
  });

  it.each<[string, BusOp, readonly string[]]>([
    ["to another command", exchange, ["c30200aabb"]],
    ["to another command, as soon as that shows", exchange, ["c3"]],
    ["with less than was exchanged", exchange, ["c20100aa"]],
    ["with more, before all of it has come", exchange, ["c20300aa"]],
    ["with an empty frame", read(4), ["c30000"]],
    ["with a frame of more than 507 bytes", read(600), [`c3fc01${"00".repeat(508)}`]],
    ["with more than is still to come", read(4), ["c30300aabbcc", "c30200ddee"]],
    ["with another one behind it", exchange, ["c20200aabbc4010000"]],
    ["with the beginning of another one behind it", exchange, ["c20200aabbc4"]],
    ["of two bytes to a write", write, ["c402000000"]],
    ["that refuses a write", write, ["c4010001"]],
  ])("are refused %s", async (_, op, answers) => {
    expect(await run([op], [answers])).toMatchObject({ code: "BRIDGE_PROTOCOL" });
  });

  it("to settings may be as long as they like", async () => {
    const script = { commands: [encodeReadSettings()], replyBytes: 0 };
    for (const answer of ["ca0000", "ca0300010203", `ca1a00${"00".repeat(26)}`])
      expect(await runCommands(script, [[answer]])).toMatchObject({ code: "done" });
  });

  it("that do not come end at the deadline", async () => {
    expect(await run([exchange], [[]])).toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    expect(await run([exchange], [["c20200aa"]])).toMatchObject({ code: "TRANSPORT_TIMEOUT" });
  });
});

describe("commands", () => {
  it("wait for the answer to the one before, those without an answer too", async () => {
    const cs: BusOp = { kind: "cs", level: "low" };
    const answers = [["c20200aabb"], [], ["c4010000"]];
    const { code, log } = await run([exchange, cs, write], answers);
    expect(code).toBe("done");
    expect(log.map((line) => line.slice(0, 6))).toEqual([
      "in 512",
      "out c2",
      "out c1",
      "in 512",
      "out c4",
    ]);
  });
});

describe("settings that let CS go", () => {
  it("do not leave it there after an abort: it is put back where it was", async () => {
    const bench = new Bench({ csOnSettings: "released" });
    const bridge = await bench.opened();
    await bridge.submit(transaction(SELECT, reading(3).segment), bench.in());
    expect(await bridge.abort(bench.in())).toBe("low");
    expect(bench.model.engine.cs).toBe("low");
    expect(bench.rules()).toEqual([]);
  });
});

describe("a device of other ids", () => {
  it("is closed without a transfer", async () => {
    const usb = new ScriptedUsb(new SimClock(), () => []);
    expect(await codeOf(openCh347({ transport: usb, clock: new SimClock() }))).toBe(
      "BRIDGE_UNSUPPORTED",
    );
    expect(usb.log).toEqual(["close"]);
  });
});
