import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { CardLine } from "../../src/card/card-line.js";
import type { CardIdentity } from "../../src/card/identity.js";
import { openCard } from "../../src/card/sd-card.js";
import { CardSession } from "../../src/card/session.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import { BlockTransfer } from "../../src/card/transfer.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { errorCode } from "../../src/util/errors.js";
import { silentLog } from "../../src/util/log.js";
import { BLOCKS, FLOWS, type Flow, FlowHost, LBA, newData } from "../matrix/recovery/flows.js";
import { Recording } from "../matrix/recovery/recording.js";
import { createDirectBridge, ManualClock } from "../support/direct-bridge.js";
import { QemuCard } from "./card/qemu-card.js";
import { hasTool } from "./support/tools.js";

const judged = hasTool("qemu-system-arm", "qemu-system-arm") ? describe : describe.skip;
const BLOCK = 512;
/** SDHC: addresses count blocks. */
const CARD_BYTES = 4 * 2 ** 30;
const AROUND = 2;
const RECOVER_MS = 5000;
const FREQUENCY_HZ = 1e6;
const NEW = newData(BLOCKS);
/** Behind each so-many-th cut the card is written to as well. */
const WRITE_EVERY = 16;

const TRANSFERS = FLOWS.filter(({ name }) => /^CMD(17|18|24|25)_/.test(name));

const oldBlock = (lba: number): Uint8Array => new Uint8Array(BLOCK).fill((lba * 29 + 1) & 0xff);

/** QEMU's card with a flow recorded on it; every run begins in transfer state, with the old contents. */
class QemuBench {
  readonly #flow: Flow;
  readonly #dir: string = mkdtempSync(join(tmpdir(), "mmcpstore-qemu-recovery-"));
  readonly #image: string = join(this.#dir, "card.img");
  readonly #file: number;
  #card: QemuCard;
  #identity: CardIdentity | undefined;
  #recording: Recording | undefined;
  /** What became of the blocks that the flow writes, and how often. */
  readonly seen: Map<string, number> = new Map();

  constructor(flow: Flow) {
    this.#flow = flow;
    writeFileSync(this.#image, "");
    truncateSync(this.#image, CARD_BYTES);
    this.#file = openSync(this.#image, "r+");
    this.#card = QemuCard.open(this.#image);
  }

  /** Points at which the flow is cut. */
  async record(): Promise<number[]> {
    this.#fill();
    const recording = new Recording(this.#card);
    const clock = new ManualClock();
    const bridge = createDirectBridge({ device: recording, clock, frequencyHz: FREQUENCY_HZ });
    const bus = createSpiModeBus({ bridge, clock });
    const card = await openCard({ bus, clock, options: { speedHz: FREQUENCY_HZ } });
    this.#identity = card.identity;
    recording.start();
    await this.#flow.run(new FlowHost(bus, clock));
    this.#recording = recording;
    return Array.from({ length: recording.bytes + 1 }, (_, bytes) => bytes);
  }

  /** The host dies after so many bytes, CS low; another one takes the card. Gives what is wrong. */
  async cut(bytes: number): Promise<string | undefined> {
    this.#fill();
    this.#card.setCs("high");
    this.#card.exchange(undefined, undefined, 1, { startUs: 0, usPerByte: 8 });
    this.#recording?.player(this.#card).playTo(bytes);
    this.#card.setCs("low");
    try {
      await this.#takeBack(bytes % WRITE_EVERY === 0);
    } catch (error) {
      await this.#restart();
      return errorCode(error) ?? String(error);
    }
    return this.#damage();
  }

  async close(): Promise<void> {
    await this.#card.close();
    closeSync(this.#file);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** In transfer state: it gives the right data, and takes data. */
  async #takeBack(write: boolean): Promise<void> {
    if (this.#identity === undefined) throw new Error("nothing is recorded");
    const clock = new ManualClock();
    const bridge = createDirectBridge({
      device: this.#card,
      clock,
      frequencyHz: FREQUENCY_HZ,
    });
    const bus = createSpiModeBus({ bridge, clock, stateKnown: false });
    const line = new CardLine(bus, clock, silentLog);
    const options = { crc: true, speedHz: FREQUENCY_HZ };
    const session = new CardSession(line, options, this.#identity);
    await session.ensureReady(deadlineIn(clock, RECOVER_MS));
    const transfer = new BlockTransfer(session);
    const seen = new Uint8Array(BLOCK);
    await transfer.read(LBA - 1, seen);
    if (Buffer.compare(seen, oldBlock(LBA - 1)) !== 0) throw new Error("reads something else");
    if (write) await transfer.write(LBA - AROUND, oldBlock(LBA - AROUND));
  }

  async #restart(): Promise<void> {
    await this.#card.close();
    this.#card = QemuCard.open(this.#image);
    await this.record();
  }

  #fill(): void {
    for (let lba = LBA - AROUND; lba < LBA + BLOCKS + AROUND; lba++)
      writeSync(this.#file, oldBlock(lba), 0, BLOCK, lba * BLOCK);
  }

  /** QEMU's card checks no CRC16: of those that are written, one block may be torn, the one in flight. */
  #damage(): string | undefined {
    const states: string[] = [];
    for (let lba = LBA - AROUND; lba < LBA + BLOCKS + AROUND; lba++) {
      const state = this.#stateOf(lba);
      if (this.#flow.writes?.includes(lba) === true) states.push(state);
      else if (state !== "old") return `block ${lba} is ${state}`;
    }
    const order = states.join(" ");
    this.seen.set(order, (this.seen.get(order) ?? 0) + 1);
    return /^(new ?)*(torn ?)?(old ?)*$/.test(order) ? undefined : `blocks are ${order}`;
  }

  #stateOf(lba: number): "old" | "new" | "torn" {
    const now = new Uint8Array(BLOCK);
    readSync(this.#file, now, 0, BLOCK, lba * BLOCK);
    if (Buffer.compare(now, oldBlock(lba)) === 0) return "old";
    const wanted = NEW.subarray((lba - LBA) * BLOCK, (lba - LBA + 1) * BLOCK);
    return Buffer.compare(now, wanted) === 0 ? "new" : "torn";
  }
}

judged("QEMU's SD card, its host dead after every byte of a transfer, CS low", () => {
  test.each(TRANSFERS.map((flow) => [flow.name, flow] as const))(
    "%s: taken back, its data right",
    async (name, flow) => {
      const bench = new QemuBench(flow);
      const outcomes = new Map<string, number[]>();
      try {
        const points = await bench.record();
        for (const bytes of points) {
          const wrong = (await bench.cut(bytes)) ?? "right";
          outcomes.set(wrong, [...(outcomes.get(wrong) ?? []), bytes]);
        }
        const counts = [...outcomes].map(([what, cuts]) => `${what}: ${cuts.length}`).join(", ");
        const seen = [...bench.seen].map(([order, times]) => `${order || "read"}: ${times}`);
        process.stderr.write(
          `QEMU's card, ${name}: cut at ${points.length} bytes; ${counts}; blocks ${seen.join(", ")}\n`,
        );
      } finally {
        await bench.close();
      }
      outcomes.delete("right");
      // [what, after how many bytes of the flow]
      expect([...outcomes]).toEqual([]);
    },
  );
});
