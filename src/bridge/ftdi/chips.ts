import { BridgeError } from "../../spi/errors.js";

/** What a device descriptor tells; decides which chip it is. */
export interface UsbIds {
  readonly vendorId: number;
  readonly productId: number;
  readonly bcdDevice: number;
}

export type FtdiChipId = "ft232h" | "ft2232h" | "ft4232h";
export type FtdiChannelName = "A" | "B" | "C" | "D";

/** One channel of a chip: its own interface with two bulk endpoints. */
export interface FtdiChannel {
  readonly name: FtdiChannelName;
  readonly interfaceNumber: number;
  /** Bulk OUT endpoint address. */
  readonly outEndpoint: number;
  /** Bulk IN endpoint address. */
  readonly inEndpoint: number;
  /** Low byte of wIndex in control requests. */
  readonly controlIndex: number;
}

/** A chip with an MPSSE that runs from 60 MHz. */
export interface FtdiChip {
  /** Family as device strings name it. */
  readonly id: FtdiChipId;
  /** As FTDI writes it: `FT232H`, `FT2232HP`. */
  readonly name: string;
  /** Those with an MPSSE. */
  readonly channels: readonly FtdiChannel[];
  /** Host to chip and chip to host alike, per channel, in bytes. */
  readonly fifoBytes: number;
}

export const FTDI_VENDOR_ID = 0x0403;

function channel(name: FtdiChannelName, interfaceNumber: number): FtdiChannel {
  return {
    name,
    interfaceNumber,
    outEndpoint: 2 * interfaceNumber + 2,
    inEndpoint: 0x80 + 2 * interfaceNumber + 1,
    controlIndex: interfaceNumber + 1,
  };
}

const A = channel("A", 0);
const B = channel("B", 1);

const ft232h = (name: string): FtdiChip => ({
  id: "ft232h",
  name,
  channels: [A],
  fifoBytes: 1024,
});
const ft2232h = (name: string): FtdiChip => ({
  id: "ft2232h",
  name,
  channels: [A, B],
  fifoBytes: 4096,
});
/** Channels C and D have no MPSSE. */
const ft4232h = (name: string): FtdiChip => ({
  id: "ft4232h",
  name,
  channels: [A, B],
  fifoBytes: 2048,
});

interface Row {
  readonly productId: number;
  /** Absent where sources differ about it and the product id is enough. */
  readonly bcdDevice?: number;
  readonly chip?: FtdiChip;
  /** Why it cannot be used. */
  readonly refused?: string;
}

const NO_MPSSE = "a serial adapter without an MPSSE: it cannot drive SPI";
const TOO_OLD = "its MPSSE is the old 12 MHz one without the commands that this program needs";

/** 6010 and 6001 each cover several chips, told apart by bcdDevice (pyftdi, libftdi; Linux `ftdi_sio.c`). */
const ROWS: readonly Row[] = [
  { productId: 0x6014, bcdDevice: 0x0900, chip: ft232h("FT232H") },
  { productId: 0x6010, bcdDevice: 0x0700, chip: ft2232h("FT2232H") },
  { productId: 0x6011, bcdDevice: 0x0800, chip: ft4232h("FT4232H") },
  { productId: 0x6040, chip: ft2232h("FT2233HP") },
  { productId: 0x6041, chip: ft4232h("FT4233HP") },
  { productId: 0x6042, chip: ft2232h("FT2232HP") },
  { productId: 0x6043, chip: ft4232h("FT4232HP") },
  { productId: 0x6044, chip: ft232h("FT233HP") },
  { productId: 0x6045, chip: ft232h("FT232HP") },
  { productId: 0x6047, chip: ft2232h("FT2232HA") },
  { productId: 0x6048, chip: ft4232h("FT4232HA") },
  { productId: 0x6010, bcdDevice: 0x0500, refused: `FT2232C/D: ${TOO_OLD}` },
  { productId: 0x6001, bcdDevice: 0x0200, refused: `FT232AM: ${NO_MPSSE}` },
  { productId: 0x6001, bcdDevice: 0x0400, refused: `FT232BM: ${NO_MPSSE}` },
  { productId: 0x6001, bcdDevice: 0x0600, refused: `FT232R: ${NO_MPSSE}` },
  { productId: 0x6015, bcdDevice: 0x1000, refused: `FT-X series: ${NO_MPSSE}` },
];

function rowOf(ids: UsbIds): Row | undefined {
  if (ids.vendorId !== FTDI_VENDOR_ID) return undefined;
  return ROWS.find(
    ({ productId, bcdDevice }) =>
      productId === ids.productId && (bcdDevice === undefined || bcdDevice === ids.bcdDevice),
  );
}

/** True for what a listing shows as an FTDI adapter: usable chips, and those refused with a reason. */
export function isFtdiDevice(ids: UsbIds): boolean {
  return (
    ids.vendorId === FTDI_VENDOR_ID && ROWS.some(({ productId }) => productId === ids.productId)
  );
}

/** The chip, if it is one that can be used. */
export function findFtdiChip(ids: UsbIds): FtdiChip | undefined {
  return rowOf(ids)?.chip;
}

/**
 * The chip with these ids.
 * @throws BridgeError BRIDGE_UNSUPPORTED, saying which chip it is instead, if it cannot be used
 */
export function requireFtdiChip(ids: UsbIds): FtdiChip {
  const row = rowOf(ids);
  if (row?.chip !== undefined) return row.chip;
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  const name = `${hex(ids.vendorId)}:${hex(ids.productId)} release ${hex(ids.bcdDevice)}`;
  throw new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `${name} cannot be used (${row?.refused ?? "not a chip that this program knows"})`,
    {
      details: { ...ids },
      hint: "use an adapter with an FT232H, FT2232H or FT4232H",
    },
  );
}

/**
 * A channel by name; the first one without.
 * @throws BridgeError BRIDGE_UNSUPPORTED if it has no MPSSE or does not exist
 */
export function ftdiChannel(chip: FtdiChip, name?: string): FtdiChannel {
  const wanted = name ?? "A";
  const found = chip.channels.find((channel) => channel.name === wanted.toUpperCase());
  if (found !== undefined) return found;
  const usable = chip.channels.map((channel) => channel.name).join(" or ");
  throw new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `channel ${wanted} of the ${chip.name} has no MPSSE`,
    {
      details: { chip: chip.name, channel: wanted },
      hint: `use channel ${usable}`,
    },
  );
}
