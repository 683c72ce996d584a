import { describe, expect, test } from "@jest/globals";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { bench, codeOf, openBridge, openOn, pattern } from "./support.js";

/** What a half-duplex programmer cannot help doing to a card. */
const KNOWN_RULES: readonly string[] = ["start-up", "cs-high-clocks"];
/** And what it does whose filler is 00. */
const FILLER_RULES = [...KNOWN_RULES, "mosi-while-answering", "junk", "command-while-busy"];

const TOLERANT: Partial<CardModelOptions> = { requireStartUpClocks: false };

describe("a card behind stock firmware: an operation a block", () => {
  test.each([
    ["pico-serprog", 0x00],
    ["pico-serprog", 0xff],
    ["stm32-vserprog", 0x00],
    ["stm32-vserprog", 0xff],
  ] as const)("%s, filler %d: identify, write, read, erase", async (board, filler) => {
    const b = bench({ board, options: { filler }, card: TOLERANT });
    const card = await openOn(b);
    expect(card.identity.crc).toBe("on");
    const data = pattern(9 * 512);
    await card.write(2048, data);
    const into = new Uint8Array(data.length);
    await card.read(2048, into);
    expect(Buffer.compare(into, data)).toBe(0);
    await card.erase?.(2048, 8);
    await card.read(2048, into);
    expect(into.subarray(0, 8 * 512).every((byte) => byte === 0)).toBe(true);
    await card.close();
    expect(b.model.violations).toEqual([]);
    const rules = new Set(b.card.violations.map(({ rule }) => rule));
    const allowed = filler === 0xff ? KNOWN_RULES : FILLER_RULES;
    expect([...rules].filter((rule) => !allowed.includes(rule))).toEqual([]);
  });

  test("no CMD18 and no CMD25; one operation reads a block, three and its busy write one", async () => {
    const b = bench({ board: "stm32-vserprog", card: TOLERANT });
    const card = await openOn(b);
    await card.write(0, pattern(512));
    await card.read(0, new Uint8Array(512));
    const before = b.model.counters.operations;
    await card.read(64, new Uint8Array(16 * 512));
    const read = b.model.counters.operations;
    await card.write(64, pattern(16 * 512));
    const written = b.model.counters.operations;
    expect(read - before).toBe(16);
    expect(written - read).toBeLessThanOrEqual(16 * 4);
    const commands = [...b.card.counters.commands.keys()];
    expect(commands).toEqual(expect.arrayContaining(["CMD17", "CMD24"]));
    expect(commands.filter((name) => ["CMD12", "CMD18", "CMD25"].includes(name))).toEqual([]);
    await card.close();
  });

  test("a card that insists on its start-up clocks does not answer", async () => {
    const b = bench({ board: "stm32-vserprog" });
    await expect(openOn(b)).rejects.toMatchObject({
      code: "CARD_ABSENT",
      hint: expect.stringContaining("74 start-up clocks"),
    });
  });

  test("what does not fit into an operation is refused, and nothing is sent", async () => {
    const b = bench({ board: "stm32-vserprog", card: TOLERANT });
    const bridge = await openBridge(b);
    expect(bridge.capabilities).toMatchObject({ fullDuplex: false, csHold: false });
    const before = b.model.counters.operations;
    const data = new Uint8Array(3);
    for (const segments of [
      [{ kind: "select" }, { kind: "write", data }],
      [{ kind: "select" }, { kind: "exchange", data, into: data }, { kind: "deselect" }],
      [{ kind: "idle", bytes: 10 }],
      [{ kind: "select" }, { kind: "write", data: new Uint8Array(5000) }, { kind: "deselect" }],
    ] as const)
      await expect(
        bridge.submit({ label: "odd", segments }, deadlineIn(b.clock, 100)),
      ).rejects.toMatchObject({ code: "BRIDGE_UNSUPPORTED" });
    expect(b.model.counters.operations).toBe(before);
    await bridge.close();
  });

  test.each([
    ["a long access time", { nac: { us: 900 } }],
    ["a longer one", { nac: { us: 1100 }, csRise: "freeze" }],
    ["slow responses", { ncr: 8, dataResponseDelay: 3 }],
    ["a long busy", { busy: { us: 180_000 } }],
    ["busy behind CMD55", { quirks: ["busy-after-cmd55"] }],
    ["an SDSC card of old", { kind: "sdsc", specVersion: 1 }],
    ["an MMC", { kind: "mmc" }],
    ["no CRC checking", { quirks: ["cmd59-refused"] }],
    ["CS that freezes what it interrupts", { csRise: "freeze" }],
  ] as const)("%s", async (_, options) => {
    const b = bench({ board: "stm32-vserprog", card: { ...TOLERANT, ...options } });
    const card = await openOn(b);
    const data = pattern(5 * 512, 3);
    await card.write(100, data);
    const into = new Uint8Array(data.length);
    await card.read(100, into);
    expect(Buffer.compare(into, data)).toBe(0);
    await card.close();
    expect(b.model.violations).toEqual([]);
  });

  test.each(["reset", "freeze"] as const)(
    "an access that no operation can wait for ends as a time-out; CS: %s",
    async (csRise) => {
      const nac = { us: 60_000 };
      const b = bench({ board: "stm32-vserprog", card: { ...TOLERANT, nac, csRise } });
      const card = await openOn(b);
      await expect(card.read(3, new Uint8Array(512))).rejects.toMatchObject({
        code: "CARD_TIMEOUT",
        hint: expect.stringContaining("--speed"),
      });
      await card.close();
    },
  );

  test("a block that the card refuses or does not take", async () => {
    const b = bench({ board: "stm32-vserprog", card: TOLERANT });
    const card = await openOn(b);
    b.card.inject({ kind: "write-error", sector: 9, times: 1 });
    await expect(card.write(9, pattern(512))).rejects.toMatchObject({
      code: "CARD_WRITE_REJECTED",
    });
    b.card.inject({ kind: "no-response", command: 24, times: 1 });
    await card.write(10, pattern(512, 7));
    const into = new Uint8Array(512);
    await card.read(10, into);
    expect(Buffer.compare(into, pattern(512, 7))).toBe(0);
    await card.close();
  });

  test("bytes lost on the line: an error or the right data, and it goes on", async () => {
    for (let offset = 3; offset < 1800; offset += 97) {
      const b = bench({ board: "stm32-vserprog", card: { ...TOLERANT, initialisationUs: 1000 } });
      const card = await openOn(b);
      const data = pattern(3 * 512, offset);
      await card.write(100, data);
      const byte = b.model.counters.bytesToHost + offset;
      b.model.inject({ direction: "toHost", byte, kind: "lose" });
      const into = new Uint8Array(data.length);
      const outcome = await card.read(100, into).then(() => "read", codeOf);
      if (outcome === "read") expect([offset, Buffer.compare(into, data)]).toEqual([offset, 0]);
      else expect([offset, outcome]).toEqual([offset, expect.stringMatching(/^(BRIDGE|CARD)_/)]);
      await card.read(100, into);
      expect([offset, Buffer.compare(into, data)]).toEqual([offset, 0]);
      await card.close();
    }
  });

  test("unplugged at every call of its transport", async () => {
    const card = { ...TOLERANT, initialisationUs: 1000 };
    const use = async (b: ReturnType<typeof bench>): Promise<number> => {
      const opened = await openOn(b);
      await opened.write(5, pattern(1024));
      await opened.read(5, new Uint8Array(1024));
      const calls = b.model.submitted;
      await opened.close();
      return calls;
    };
    const calls = await use(bench({ board: "pico-serprog", card }));
    for (let index = 0; index < calls; index += 3) {
      const b = bench({ board: "pico-serprog", card });
      b.model.unplug(index);
      expect([index, await use(b).then(() => "done", codeOf)]).toEqual([
        index,
        "TRANSPORT_DISCONNECTED",
      ]);
    }
  });

  test("operations too short for a block", async () => {
    const options = { commands: [0, 1, 2, 8, 0x10, 0x13], maxWrite: 256 };
    const b = bench({ board: "stm32-vserprog", options });
    const bridge = await openBridge(b);
    expect(() => createSpiModeBus({ bridge, clock: b.clock })).toThrow(
      expect.objectContaining({
        code: "BRIDGE_UNSUPPORTED",
        details: { maxWriteBytes: 256, maxReadBytes: 4096 },
      }),
    );
    await bridge.close();
  });
});
