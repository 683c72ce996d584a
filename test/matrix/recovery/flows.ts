import { buildCommand, type CommandName } from "../../../src/card/commands.js";
import type { CardBus, CardCommand } from "../../../src/spi/card-bus.js";
import type { Clock } from "../../../src/util/clock.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";

export const LBA = 0x1234;
export const BLOCKS = 3;

/** What a command is made of decides which latencies it meets. */
export type Meets = "read" | "register" | "write" | "erase" | "stop";

export interface Flow {
  readonly name: string;
  readonly meets: readonly Meets[];
  /** Sectors that it may change, the one in flight first: old or new each. */
  readonly writes?: readonly number[];
  /** Sectors whose contents are undefined when it is interrupted: the range of CMD38. */
  readonly exempt?: readonly number[];
  readonly run: (host: FlowHost) => Promise<unknown>;
}

/** What a flow is run with. */
export class FlowHost {
  readonly bus: CardBus;
  readonly #clock: Clock;

  constructor(bus: CardBus, clock: Clock) {
    this.bus = bus;
    this.#clock = clock;
  }

  get deadline(): Deadline {
    return deadlineIn(this.#clock, 2000);
  }

  command(name: CommandName, argument = 0): Promise<unknown> {
    return this.bus.command(buildCommand(name, argument), this.deadline);
  }

  receive(
    name: CommandName,
    argument: number,
    blockLength: number,
    blockCount = 1,
  ): Promise<unknown> {
    const command: CardCommand = buildCommand(name, argument);
    const into = new Uint8Array(blockLength * blockCount);
    const openEnded = blockCount > 1;
    return this.bus.receive({ command, blockLength, blockCount, into, openEnded }, this.deadline);
  }

  send(name: CommandName, argument: number, data: Uint8Array): Promise<unknown> {
    const openEnded = data.length > 512;
    const command = buildCommand(name, argument);
    return this.bus.send({ command, blockLength: 512, data, openEnded }, this.deadline);
  }
}

/** What the flows write: no block is what was there before. */
export function newData(blocks: number): Uint8Array {
  return Uint8Array.from({ length: blocks * 512 }, (_, at) => (at * 13 + (at >> 9) * 5 + 3) & 0xff);
}

const plain = (name: CommandName, argument = 0): Flow => ({
  name,
  meets: [],
  run: (host) => host.command(name, argument),
});

const register = (name: CommandName, length: number, argument = 0): Flow => ({
  name,
  meets: ["register"],
  run: (host) => host.receive(name, argument, length),
});

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => LBA + at);

/** Every command that a host of this project sends. */
export const FLOWS: readonly Flow[] = [
  plain("CMD0_GO_IDLE_STATE"),
  plain("CMD8_SEND_IF_COND", 0x1aa),
  register("CMD9_SEND_CSD", 16),
  register("CMD10_SEND_CID", 16),
  {
    name: "CMD12 in CMD18",
    meets: ["read", "stop"],
    run: (host) => host.receive("CMD18_READ_MULTIPLE_BLOCK", LBA, 512, 2),
  },
  plain("CMD13_SEND_STATUS"),
  {
    name: "CMD17_READ_SINGLE_BLOCK",
    meets: ["read"],
    run: (host) => host.receive("CMD17_READ_SINGLE_BLOCK", LBA, 512),
  },
  {
    name: "CMD18_READ_MULTIPLE_BLOCK",
    meets: ["read", "stop"],
    run: (host) => host.receive("CMD18_READ_MULTIPLE_BLOCK", LBA, 512, BLOCKS),
  },
  {
    name: "CMD24_WRITE_BLOCK",
    meets: ["write"],
    writes: range(1),
    run: (host) => host.send("CMD24_WRITE_BLOCK", LBA, newData(1)),
  },
  {
    name: "CMD25_WRITE_MULTIPLE_BLOCK",
    meets: ["write", "stop"],
    writes: range(BLOCKS),
    run: (host) => host.send("CMD25_WRITE_MULTIPLE_BLOCK", LBA, newData(BLOCKS)),
  },
  {
    name: "ACMD23, CMD25",
    meets: ["write", "stop"],
    writes: range(2),
    exempt: range(BLOCKS),
    run: async (host) => {
      await host.command("ACMD23_SET_WR_BLK_ERASE_COUNT", BLOCKS);
      await host.send("CMD25_WRITE_MULTIPLE_BLOCK", LBA, newData(2));
    },
  },
  {
    name: "CMD32, CMD33, CMD38",
    meets: ["erase"],
    exempt: range(BLOCKS),
    run: async (host) => {
      await host.command("CMD32_ERASE_WR_BLK_START", LBA);
      await host.command("CMD33_ERASE_WR_BLK_END", LBA + BLOCKS - 1);
      await host.command("CMD38_ERASE");
    },
  },
  register("ACMD13_SD_STATUS", 64),
  register("ACMD22_SEND_NUM_WR_BLOCKS", 4),
  plain("ACMD41_SD_SEND_OP_COND", 0x4000_0000),
  register("ACMD51_SEND_SCR", 8),
  plain("CMD58_READ_OCR"),
  plain("CMD59_CRC_ON_OFF", 1),
  register("CMD6_SWITCH_FUNC", 64, 0x00ff_fff0),
];
