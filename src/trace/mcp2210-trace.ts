import {
  decodeAnswer,
  decodeCommand,
  describeCommand,
  type Mcp2210Answer,
  type Mcp2210Command,
} from "../bridge/mcp2210/decoder.js";
import type { CassetteEvent } from "../transport/cassette.js";
import { commandsIn } from "./commands-in.js";
import { hexOf } from "./describe.js";
import type { ChipItem, ChipLog, ChipTrace, SpiItem } from "./spi-log.js";

/** MCP2210: HID reports. */
export const MCP2210_TRACE: ChipTrace = {
  bridge: "mcp2210",
  log: () => new Mcp2210Log(),
  explain: explainReport,
};

const CS_PIN = 0x001;
/** After power-on. */
const FIRST_BIT_RATE_HZ = 1_000_000;

interface Asked {
  readonly code: number;
  readonly command: Mcp2210Command;
  readonly atUs: number;
}

/** MISO bytes that a later answer will bring, and where they go. */
interface Expected {
  readonly into: Uint8Array;
  at: number;
}

/** What a report did is known when its answer has come: a chunk that the chip was too busy for was never on the wires. */
class Mcp2210Log implements ChipLog {
  readonly spi: SpiItem[] = [];
  readonly chip: ChipItem[] = [];
  #asked: Asked[] = [];
  #expected: Expected[] = [];
  #cursorUs = 0;
  #usPerByte = 8e6 / FIRST_BIT_RATE_HZ;
  #cs: "high" | "low" = "high";

  take(event: CassetteEvent): void {
    if (event.kind === "submit" && event.request.type === "hidWrite")
      this.#command(event.request.data, event.atUs);
    if (event.kind === "complete" && event.data !== undefined) this.#answer(event.data, event.atUs);
  }

  #command(report: Uint8Array, atUs: number): void {
    const command = decodeCommand(report);
    this.#asked.push({ code: report[0] ?? 0, command, atUs });
    if (command.kind !== "transfer") this.chip.push({ atUs, text: describe(command) });
  }

  #answer(report: Uint8Array, atUs: number): void {
    const answer = decodeAnswer(report);
    if (answer.kind === "malformed") return;
    const at = this.#asked.findIndex(({ code }) => code === answer.command);
    const asked = this.#asked[at];
    if (asked === undefined) return;
    this.#asked = this.#asked.slice(at + 1);
    if (answer.kind === "refused") this.chip.push({ atUs, text: describeRefusal(answer) });
    else this.#execute(asked, answer);
  }

  #execute({ command, atUs }: Asked, answer: Mcp2210Answer): void {
    if (answer.kind === "transfer") this.#fill(answer.data);
    if (answer.kind === "spiSettings") this.#setRate(answer.settings.bitRateHz);
    if (command.kind === "transfer") this.#clock(command.data, atUs);
    if (command.kind === "setSpiSettings") this.#setRate(command.settings.bitRateHz);
    if (command.kind === "setPins") this.#setCs(command.levels & CS_PIN ? "high" : "low", atUs);
    if (command.kind === "cancel") this.#expected = [];
  }

  /** MISO goes to the chunks in the order in which these were clocked. */
  #fill(miso: Uint8Array): void {
    for (let at = 0; at < miso.length; ) {
      const next = this.#expected[0];
      if (next === undefined) return;
      const count = Math.min(miso.length - at, next.into.length - next.at);
      next.into.set(miso.subarray(at, at + count), next.at);
      next.at += count;
      at += count;
      if (next.at === next.into.length) this.#expected.shift();
    }
  }

  #clock(mosi: Uint8Array, atUs: number): void {
    if (mosi.length === 0) return;
    const miso = new Uint8Array(mosi.length).fill(0xff);
    this.#expected.push({ into: miso, at: 0 });
    this.#cursorUs = Math.max(this.#cursorUs, atUs);
    this.spi.push({
      kind: "bytes",
      atUs: this.#cursorUs,
      usPerByte: this.#usPerByte,
      selected: this.#cs === "low",
      mosi,
      miso,
    });
    this.#cursorUs += mosi.length * this.#usPerByte;
  }

  #setRate(bitRateHz: number): void {
    if (bitRateHz > 0) this.#usPerByte = 8e6 / bitRateHz;
  }

  #setCs(level: "high" | "low", atUs: number): void {
    if (level === this.#cs) return;
    this.#cs = level;
    this.#cursorUs = Math.max(this.#cursorUs, atUs);
    this.spi.push({ kind: "cs", atUs: this.#cursorUs, level });
  }
}

/** Fields that are told in hex. */
const BITS: readonly string[] = [
  "levels",
  "inputs",
  "outputs",
  "directions",
  "idleCs",
  "activeCs",
  "other",
  "accessControl",
  "command",
];

/** `setPins levels=0x1fe` */
function describe(command: Mcp2210Command): string {
  const fields = Object.entries({ ...command, ...("settings" in command ? command.settings : {}) });
  const told = fields.flatMap(([name, value]) => {
    if (name === "kind" || name === "settings" || value instanceof Uint8Array) return [];
    return [` ${name}=${BITS.includes(name) ? hexOfBits(Number(value)) : String(value)}`];
  });
  return `${command.kind}${told.join("")}`;
}

function hexOfBits(value: number): string {
  return `0x${value.toString(16).padStart(2, "0")}`;
}

function describeRefusal({ command, status }: { command: number; status: number }): string {
  return `${describeCommand(command)}: status ${hexOfBits(status)}`;
}

function explainReport(event: CassetteEvent): string {
  if (event.kind !== "submit" || event.request.type !== "hidWrite") return "";
  const command = decodeCommand(event.request.data);
  if (command.kind !== "transfer") return describe(command);
  if (command.data.length === 0) return "transfer, for what was received";
  const commands = commandsIn(command.data);
  return commands.length > 0 ? commands.join(", ") : `transfer ${hexOf(command.data)}`;
}
