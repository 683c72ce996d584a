import { ADAPTERS, CARD_CONTACTS, formatUsbId, WIRING_NOTES } from "./data.js";
import type { AdapterData, AdapterPin, AdapterRate, ProofState } from "./data-types.js";

/** How far each state of proof goes, in words. */
const PROOF: Readonly<Record<ProofState, string>> = {
  model: "our models of chip and card; no hardware yet",
  "usb-stack": "our models, also over USB/IP on a real Linux USB stack; no hardware yet",
  hardware: "real hardware",
};

const RATE: Readonly<Record<AdapterRate["kind"], string>> = {
  model: "measured on our model",
  computed: "computed",
  published: "published by others, not measured by us",
};

const TABLE_START = "<!-- adapters -->";
const TABLE_END = "<!-- /adapters -->";

/** The README's table of adapters, as Markdown. */
export function adaptersTable(): string {
  return markdownTable(
    ["adapter", "device string", "VID:PID", "SPI pins", "levels", "rates", "proof so far"],
    ADAPTERS.map((adapter) => [
      adapter.chip,
      codes(adapter.devices),
      adapter.usbIds.map(formatUsbId).join(", "),
      pinsInShort(adapter.pins),
      adapter.voltage,
      ratesInShort(adapter.rates),
      PROOF[adapter.proof],
    ]),
  );
}

/**
 * The text of a README with its table of adapters made anew, between `<!-- adapters -->` and `<!-- /adapters -->`; undefined if it has
 * no such place.
 */
export function withAdaptersTable(readme: string): string | undefined {
  const start = readme.indexOf(TABLE_START);
  const end = readme.indexOf(TABLE_END);
  if (start < 0 || end < start) return undefined;
  const before = readme.slice(0, start + TABLE_START.length);
  return `${before}\n${adaptersTable()}${readme.slice(end)}`;
}

/** docs/ADAPTERS.md: all that is known of each adapter. */
export function adaptersPage(): string {
  const paragraphs = [
    "# Adapters",
    "<!-- Made from src/device/adapters/data*.ts; `UPDATE_GOLDEN=1 npx jest test/device/adapters/docs` makes it anew. -->",
    "`mmcpstore wiring ADAPTER` prints the same for one adapter. Rates are for one continuous read; which are ours and which are others' is said with each.",
    "## Every adapter",
    bullets(WIRING_NOTES),
    "Contacts of the card in SPI mode:",
    markdownTable(
      ["signal", "SD, MMC", "microSD"],
      Object.entries(CARD_CONTACTS).map(([signal, { sd, microSd }]) => [signal, sd, microSd]),
    ).trimEnd(),
    ...ADAPTERS.flatMap(chapter),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function chapter(adapter: AdapterData): string[] {
  const { chip, maker, devices, clock, voltage, warnings, notes, boards, refused, rates } = adapter;
  return [
    `## ${chip} (${maker})`,
    ...warnings.map((text) => `> **Warning:** ${text}`),
    bullets([
      `device strings: ${codes(devices)}`,
      `USB: ${adapter.usbIds.map((id) => `${formatUsbId(id)} (${id.name})`).join(", ")}`,
      ...refused.map((id) => `refused: ${formatUsbId(id)} (${id.name}): ${id.fix}`),
      `clock: ${clock.steps}`,
      `levels: ${voltage}`,
      `proof so far: ${PROOF[adapter.proof]}`,
      ...boards.map(({ name, note }) => `board: ${name}: ${note}`),
      ...notes,
    ]),
    pinTable(adapter),
    rateTable(rates),
  ];
}

function pinTable({ pins }: AdapterData): string {
  const rows = pins.map(({ signal, chipPin, label, optional }) => {
    const { sd, microSd } = CARD_CONTACTS[signal];
    const what = optional === undefined ? signal : `${signal}: ${optional}`;
    return [what, chipPin, label, sd, microSd];
  });
  return markdownTable(["signal", "chip pin", "printed as", "SD, MMC", "microSD"], rows).trimEnd();
}

function rateTable(rates: readonly AdapterRate[]): string {
  const rows = rates.map(({ kind, text, source }) => [text, RATE[kind], source]);
  return markdownTable(["rate", "what it is", "from"], rows).trimEnd();
}

function pinsInShort(pins: readonly AdapterPin[]): string {
  return pins
    .filter(
      ({ optional, signal }) => optional === undefined && signal !== "3V3" && signal !== "GND",
    )
    .map(({ signal, label }) => `${signal}: ${label}`)
    .join("<br>");
}

function ratesInShort(rates: readonly AdapterRate[]): string {
  return rates.map(({ kind, text }) => `${kind}: ${text}`).join("<br>");
}

function codes(texts: readonly string[]): string {
  return texts.map((text) => `\`${text}\``).join(", ");
}

function bullets(texts: readonly string[]): string {
  return texts.map((text) => `* ${text}`).join("\n");
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("");
}
