import { describe, expect, test } from "@jest/globals";
import { openPlainSerprog } from "../../../src/bridge/serprog/driver.js";
import { openCard, type SdCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import type { SerprogBoardName } from "../../../src/sim/serprog/model.js";
import type { CardBus } from "../../../src/spi/card-bus.js";
import type { SerialTransport } from "../../../src/transport/types.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { type Bench, bench, codeOf, openBridge, openOn, pattern } from "./support.js";

const CARD = { initialisationUs: 1000, requireStartUpClocks: false, busy: { us: 2000 } } as const;
const BLOCKS = 12;

function benchOf(board: SerprogBoardName): Bench {
  return bench({ board, card: CARD });
}

async function openWith(b: Bench, transport: SerialTransport): Promise<SdCard> {
  const bridge = await openPlainSerprog({ transport, clock: b.clock });
  return openCard({ bus: createSpiModeBus({ bridge, clock: b.clock }), clock: b.clock });
}

/** Writes over old data until the process dies, `us` after it began; true if it was through before. */
async function killedWhileWriting(b: Bench, us: number): Promise<boolean> {
  const transport = b.model.transport();
  const card = await openWith(b, transport);
  await card.write(200, pattern(BLOCKS * 512, 1));
  let isThrough = false;
  const writing = card.write(200, pattern(BLOCKS * 512, 2)).then(() => {
    isThrough = true;
  }, codeOf);
  await b.clock.sleep(us);
  const wasThrough = isThrough;
  await transport.close();
  await writing;
  return wasThrough;
}

/** Blocks are old or new, new ones first. */
function judge(into: Uint8Array): string {
  const kinds: string[] = [];
  for (let at = 0; at < BLOCKS; at++) {
    const block = into.subarray(at * 512, (at + 1) * 512);
    const is = (seed: number): boolean =>
      Buffer.compare(block, pattern(BLOCKS * 512, seed).subarray(at * 512, (at + 1) * 512)) === 0;
    kinds.push(is(2) ? "n" : is(1) ? "o" : "?");
  }
  return kinds.join("");
}

describe.each(["full", "stm32-vserprog"] as const)("%s", (board) => {
  test("a process killed at any moment of a write: the next one finds the card and goes on", async () => {
    for (let us = 100; us < 1_000_000; us += 3571) {
      const b = benchOf(board);
      const wasThrough = await killedWhileWriting(b, us);
      const card = await openOn(b);
      const into = new Uint8Array(BLOCKS * 512);
      await card.read(200, into);
      expect([us, judge(into)]).toEqual([us, expect.stringMatching(/^n*o*$/)]);
      await card.write(200, pattern(BLOCKS * 512, 3));
      await card.close();
      expect([us, b.model.violations]).toEqual([us, []]);
      if (wasThrough) return;
    }
    throw new Error("the write never ended");
  });

  test("a bus that is taken away in the middle of a read, and recovered", async () => {
    for (let us = 0; us < 9000; us += 1021) {
      const b = benchOf(board);
      const bridge = await openBridge(b);
      const bus = createSpiModeBus({ bridge, clock: b.clock });
      const card = await openCard({ bus, clock: b.clock });
      await card.write(9, pattern(1024, 4));
      const reading = card.read(9, new Uint8Array(1024)).then(() => "read", codeOf);
      await b.clock.sleep(us);
      const next: CardBus = bus.preempt();
      const report = await next.recover(deadlineIn(b.clock, 5000), { crcProved: true });
      expect([us, report.outcome]).toEqual([us, "ready"]);
      expect(await reading).toMatch(/^(read|BRIDGE_CANCELLED|BLOCK_PREEMPTED)$/);
      const command = { index: 17, argument: 9, response: "R1" } as const;
      const into = new Uint8Array(512);
      const request = { command, blockLength: 512, blockCount: 1, into, openEnded: false };
      await next.receive(request, deadlineIn(b.clock, 1000));
      expect([us, Buffer.compare(into, pattern(512, 4))]).toEqual([us, 0]);
      await next.close();
    }
  });
});
