import type { CardCommand, ResponseKind } from "../spi/card-bus.js";
import { assert } from "../util/errors.js";

/** What the 32 argument bits mean. `stuff`: ignored by the card, sent as 0. */
export type ArgumentKind =
  | "stuff"
  | "address"
  | "block-length"
  | "block-count"
  | "host-capacity"
  | "interface-condition"
  | "switch-function"
  | "flag";

/** Which wait a command may need: of its response only, for data, for programming, for an erase, for power-up. */
export type TimeoutClass = "response" | "read" | "write" | "erase" | "initialise";

/** A data phase. `block`: one block of the set length; `blocks`: until it is stopped; a number: that many bytes. */
export interface DataPhase {
  readonly direction: "read" | "write";
  readonly length: number | "block" | "blocks";
}

export type CardFamily = "SD" | "MMC";

/** One row of SD Physical Layer table 7-3 (and of JESD84 for what only MMC has). */
export interface CommandSpec {
  readonly index: number;
  readonly app: boolean;
  readonly response: ResponseKind;
  readonly argument: ArgumentKind;
  /** MISO is held low behind the response, or behind the data. */
  readonly busy: boolean;
  readonly data?: DataPhase;
  readonly timeout: TimeoutClass;
  /** Command classes (CCC bits) with which a card has it. */
  readonly classes: readonly number[];
  readonly families: readonly CardFamily[];
}

/** The specification's own names. */
export type CommandName =
  | "CMD0_GO_IDLE_STATE"
  | "CMD1_SEND_OP_COND"
  | "CMD6_SWITCH_FUNC"
  | "CMD8_SEND_IF_COND"
  | "CMD9_SEND_CSD"
  | "CMD10_SEND_CID"
  | "CMD12_STOP_TRANSMISSION"
  | "CMD13_SEND_STATUS"
  | "CMD16_SET_BLOCKLEN"
  | "CMD17_READ_SINGLE_BLOCK"
  | "CMD18_READ_MULTIPLE_BLOCK"
  | "CMD23_SET_BLOCK_COUNT"
  | "CMD24_WRITE_BLOCK"
  | "CMD25_WRITE_MULTIPLE_BLOCK"
  | "CMD27_PROGRAM_CSD"
  | "CMD28_SET_WRITE_PROT"
  | "CMD29_CLR_WRITE_PROT"
  | "CMD30_SEND_WRITE_PROT"
  | "CMD32_ERASE_WR_BLK_START"
  | "CMD33_ERASE_WR_BLK_END"
  | "CMD35_ERASE_GROUP_START"
  | "CMD36_ERASE_GROUP_END"
  | "CMD38_ERASE"
  | "CMD42_LOCK_UNLOCK"
  | "CMD55_APP_CMD"
  | "CMD56_GEN_CMD"
  | "CMD58_READ_OCR"
  | "CMD59_CRC_ON_OFF"
  | "ACMD13_SD_STATUS"
  | "ACMD22_SEND_NUM_WR_BLOCKS"
  | "ACMD23_SET_WR_BLK_ERASE_COUNT"
  | "ACMD41_SD_SEND_OP_COND"
  | "ACMD42_SET_CLR_CARD_DETECT"
  | "ACMD51_SEND_SCR";

const BOTH: readonly CardFamily[] = ["SD", "MMC"];

interface Extra {
  readonly argument?: ArgumentKind;
  readonly data?: DataPhase;
  readonly timeout?: TimeoutClass;
  readonly families?: readonly CardFamily[];
  readonly app?: boolean;
}

function row(
  index: number,
  response: ResponseKind,
  classes: readonly number[],
  extra: Extra = {},
): CommandSpec {
  const { argument = "stuff", data, families = BOTH, app = false } = extra;
  const busy = response === "R1b" || data?.direction === "write";
  const timeout =
    extra.timeout ?? (data?.direction === "read" ? "read" : busy ? "write" : undefined);
  return {
    index,
    app,
    response,
    argument,
    busy,
    ...(data !== undefined && { data }),
    timeout: timeout ?? "response",
    classes,
    families,
  };
}

function acmd(index: number, response: ResponseKind, extra: Extra = {}): CommandSpec {
  return row(index, response, [8], { ...extra, app: true, families: ["SD"] });
}

const read = (length: DataPhase["length"]): DataPhase => ({ direction: "read", length });
const write = (length: DataPhase["length"]): DataPhase => ({ direction: "write", length });
const SD_ONLY: Extra = { families: ["SD"] };
const MMC_ONLY: Extra = { families: ["MMC"] };

/**
 * Every command of SPI mode (SD Physical Layer 4.10 tables 7-3 and 7-4; those of MMC from its vendors' manuals).
 * CMD27 and CMD42 must never be sent to a card whose CRC checking is off: a torn frame would set
 * permanent write-protect bits or erase the card.
 */
export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  CMD0_GO_IDLE_STATE: row(0, "R1", [0]),
  CMD1_SEND_OP_COND: row(1, "R1", [0], { argument: "host-capacity", timeout: "initialise" }),
  CMD6_SWITCH_FUNC: row(6, "R1", [10], {
    ...SD_ONLY,
    argument: "switch-function",
    data: read(64),
  }),
  CMD8_SEND_IF_COND: row(8, "R7", [0], { ...SD_ONLY, argument: "interface-condition" }),
  CMD9_SEND_CSD: row(9, "R1", [0], { data: read(16) }),
  CMD10_SEND_CID: row(10, "R1", [0], { data: read(16) }),
  CMD12_STOP_TRANSMISSION: row(12, "R1b", [0]),
  CMD13_SEND_STATUS: row(13, "R2", [0]),
  CMD16_SET_BLOCKLEN: row(16, "R1", [0, 2, 4, 7], { argument: "block-length" }),
  CMD17_READ_SINGLE_BLOCK: row(17, "R1", [2], { argument: "address", data: read("block") }),
  CMD18_READ_MULTIPLE_BLOCK: row(18, "R1", [2], { argument: "address", data: read("blocks") }),
  CMD23_SET_BLOCK_COUNT: row(23, "R1", [2, 4], { ...MMC_ONLY, argument: "block-count" }),
  CMD24_WRITE_BLOCK: row(24, "R1", [4], { argument: "address", data: write("block") }),
  CMD25_WRITE_MULTIPLE_BLOCK: row(25, "R1", [4], { argument: "address", data: write("blocks") }),
  CMD27_PROGRAM_CSD: row(27, "R1", [4], { data: write(16) }),
  CMD28_SET_WRITE_PROT: row(28, "R1b", [6], { argument: "address" }),
  CMD29_CLR_WRITE_PROT: row(29, "R1b", [6], { argument: "address" }),
  CMD30_SEND_WRITE_PROT: row(30, "R1", [6], { argument: "address", data: read(4) }),
  CMD32_ERASE_WR_BLK_START: row(32, "R1", [5], { ...SD_ONLY, argument: "address" }),
  CMD33_ERASE_WR_BLK_END: row(33, "R1", [5], { ...SD_ONLY, argument: "address" }),
  CMD35_ERASE_GROUP_START: row(35, "R1", [5], { ...MMC_ONLY, argument: "address" }),
  CMD36_ERASE_GROUP_END: row(36, "R1", [5], { ...MMC_ONLY, argument: "address" }),
  CMD38_ERASE: row(38, "R1b", [5], { timeout: "erase" }),
  CMD42_LOCK_UNLOCK: row(42, "R1", [7], { data: write("block") }),
  CMD55_APP_CMD: row(55, "R1", [8], SD_ONLY),
  CMD56_GEN_CMD: row(56, "R1", [8], { argument: "flag", data: read("block") }),
  CMD58_READ_OCR: row(58, "R3", [0]),
  CMD59_CRC_ON_OFF: row(59, "R1", [0], { argument: "flag" }),
  ACMD13_SD_STATUS: acmd(13, "R2", { data: read(64) }),
  ACMD22_SEND_NUM_WR_BLOCKS: acmd(22, "R1", { data: read(4) }),
  ACMD23_SET_WR_BLK_ERASE_COUNT: acmd(23, "R1", { argument: "block-count" }),
  ACMD41_SD_SEND_OP_COND: acmd(41, "R1", { argument: "host-capacity", timeout: "initialise" }),
  ACMD42_SET_CLR_CARD_DETECT: acmd(42, "R1", { argument: "flag" }),
  ACMD51_SEND_SCR: acmd(51, "R1", { data: read(8) }),
};

/** Bit 30 of ACMD41 and CMD1: the host can address blocks. No other bit may be set in SPI mode. */
export const HOST_CAPACITY_SUPPORT = 0x4000_0000;
/** CMD8: 2.7 to 3.6 V, and the pattern that the card echoes. */
export const INTERFACE_CONDITION = 0x1aa;

const nameOf: ReadonlyMap<string, CommandName> = new Map(
  Object.entries(COMMANDS).map(([name, spec]) => [key(spec), name as CommandName]),
);

function key({ index, app = false }: Pick<CardCommand, "index" | "app">): string {
  return `${app ? "A" : ""}${index}`;
}

/** The name of a command, or undefined for one that SPI mode does not have. */
export function commandNameOf(
  command: Pick<CardCommand, "index" | "app">,
): CommandName | undefined {
  return nameOf.get(key(command));
}

/** The table's row of a command, or undefined for one that SPI mode does not have. */
export function commandSpecOf(
  command: Pick<CardCommand, "index" | "app">,
): CommandSpec | undefined {
  const name = commandNameOf(command);
  return name === undefined ? undefined : COMMANDS[name];
}

/** A command, ready for a bus. @throws InternalError if the argument does not fit into 32 bits */
export function buildCommand(name: CommandName, argument = 0): CardCommand {
  assert(
    Number.isInteger(argument) && argument >= 0 && argument <= 0xffff_ffff,
    `argument ${argument} of ${name} is not a 32-bit number`,
  );
  const { index, response, app } = COMMANDS[name];
  return { index, argument, response, ...(app && { app }) };
}
