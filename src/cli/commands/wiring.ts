import { ADAPTERS, formatUsbId } from "../../device/adapters/data.js";
import { type Wire, type Wiring, wiringOf } from "../../device/adapters/wiring.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatTable } from "../format/table.js";

const WIRES_HEADER = ["SIGNAL", "CHIP PIN", "PRINTED AS", "SD CARD", "MICROSD"];
const LIST_HEADER = ["ADAPTER", "CHIP", "MAKER", "USB", "CLOCK"];

/** `wiring [ADAPTER]`: the pin table of an adapter; without one, the adapters. */
export const run: RunVerb = async (context, operands) => {
  const [name] = operands;
  if (context.settings.json) await writeJson(context, "wiring", asJson(name));
  else await context.io.writeOut(name === undefined ? listText() : wiringText(wiringOf(name)));
  return EXIT.ok;
};

function asJson(name: string | undefined): object {
  if (name === undefined) return { adapters: ADAPTERS.map(({ pins: _, ...adapter }) => adapter) };
  const { adapter, board, channel, wires, always } = wiringOf(name);
  const { pins: _, ...about } = adapter;
  return { ...about, board: board ?? null, channel: channel ?? null, wires, always };
}

function listText(): string {
  const rows = ADAPTERS.map(({ id, chip, maker, usbIds, clock }) => [
    id,
    chip,
    maker,
    usbIds.map(formatUsbId).join(" "),
    clock.steps,
  ]);
  return formatTable(rows, LIST_HEADER);
}

function wiringText(wiring: Wiring): string {
  const { adapter, board, channel, wires, always } = wiring;
  const { chip, maker, devices, voltage, clock, warnings, notes, boards } = adapter;
  const named = board === undefined ? `${chip} (${maker})` : `${board.name}: ${chip} (${maker})`;
  const shown = board === undefined ? boards : [board];
  const lines = [
    `${named}${channel === undefined ? "" : `, channel ${channel}`}`,
    `device strings: ${devices.join(", ")}`,
    "",
    formatTable(wires.map(row), WIRES_HEADER).trimEnd(),
    ...wires.flatMap(({ signal, optional }) =>
      optional === undefined ? [] : [`${signal}: ${optional}`],
    ),
    "",
    `levels: ${voltage}`,
    `clock: ${clock.steps}`,
    ...warnings.map((text) => `WARNING: ${text}`),
    ...shown.map(({ name, note }) => `board: ${name}: ${note}`),
    ...[...always, ...notes].map((text) => `- ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}

function row({ signal, chipPin, label, sd, microSd }: Wire): string[] {
  return [signal, chipPin, label, sd, microSd];
}
