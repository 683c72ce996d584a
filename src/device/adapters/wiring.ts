import { UsageError } from "../../util/errors.js";
import { ADAPTERS, CARD_CONTACTS, findAdapterData, WIRING_NOTES } from "./data.js";
import type { AdapterBoard, AdapterData, AdapterPin } from "./data-types.js";

/** One wire: a pin of the adapter and the contact of the card that it goes to. */
export interface Wire extends AdapterPin {
  /** Contact of a full-size SD or MMC card, and its name in SPI mode. */
  readonly sd: string;
  readonly microSd: string;
}

/** How a card is wired to an adapter, and what to know before power is on. */
export interface Wiring {
  readonly adapter: AdapterData;
  /** The board that was asked for, where its maker has decided something. */
  readonly board?: AdapterBoard;
  /** FTDI chips with several: the one whose pins these are. */
  readonly channel?: string;
  readonly wires: readonly Wire[];
  /** What every set-up needs, whatever the adapter. */
  readonly always: readonly string[];
}

/**
 * The wiring of an adapter by its name in device strings, its chip's or a board's (`ft232h`, `FT232H`, `tigard`), with a channel
 * where it has several (`ft2232h/B`).
 * @throws UsageError for a name that is none, or a channel that the adapter has not
 */
export function wiringOf(text: string): Wiring {
  const [, name = "", given] = /^(.*?)(?:\/([ab]))?$/i.exec(text) ?? [];
  const adapter = findAdapterData(name);
  if (adapter === undefined) throw unknown(text);
  const board = adapter.boards.find(
    ({ device, name: title }) => device === name.toLowerCase() || title === name,
  );
  const channel = channelOf(adapter, given?.toUpperCase() ?? board?.channel);
  return {
    adapter,
    ...(board === undefined ? {} : { board }),
    ...(channel === undefined ? {} : { channel }),
    wires: adapter.pins.map((pin) => wireOf(pin, channel)),
    always: WIRING_NOTES,
  };
}

/** Channel A unless another is asked for; undefined where there is but one. */
function channelOf({ chip, devices }: AdapterData, wanted: string | undefined): string | undefined {
  if (devices.some((form) => form.endsWith("/B"))) return wanted ?? "A";
  if (wanted === undefined) return undefined;
  throw new UsageError(`the ${chip} has no channels`, {
    hint: "leave out what stands behind the slash",
  });
}

function wireOf(pin: AdapterPin, channel: string | undefined): Wire {
  const { sd, microSd } = CARD_CONTACTS[pin.signal];
  if (channel !== "B") return { ...pin, sd, microSd };
  const chipPin = pin.chipPin.replace(/^ADBUS/, "BDBUS");
  return { ...pin, chipPin, label: pin.label.replace(/^AD/, "BD"), sd, microSd };
}

function unknown(text: string): UsageError {
  const boards = ADAPTERS.flatMap(({ boards }) => boards.flatMap(({ device }) => device ?? []));
  const names = [...ADAPTERS.map(({ id }) => id), ...boards];
  return new UsageError(`'${text}' is no adapter`, {
    details: { adapter: text },
    hint: `the adapters are ${names.join(", ")}; 'mmcpstore wiring' lists them`,
  });
}
