import { FT232H_DATA, FT2232H_DATA, FT4232H_DATA } from "./data-ftdi.js";
import { MCP2210_DATA, SERPROG_DATA } from "./data-others.js";
import type { AdapterData, AdapterSignal, AdapterUsbId } from "./data-types.js";
import { CH341A_DATA, CH347_DATA } from "./data-wch.js";

/** Every kind of adapter, in the order of the documentation: `wiring`, `udev` and docs/ADAPTERS.md come from here and nowhere else. */
export const ADAPTERS: readonly AdapterData[] = [
  FT232H_DATA,
  FT2232H_DATA,
  FT4232H_DATA,
  CH341A_DATA,
  CH347_DATA,
  MCP2210_DATA,
  SERPROG_DATA,
];

/** Contacts of the card for one signal. */
export interface CardContact {
  /** Full-size SD and MMC: contact and name in SPI mode. */
  readonly sd: string;
  readonly microSd: string;
}

/** SD Physical Layer table 3-1 and figure 3-2 (microSD: addendum), SPI mode. */
export const CARD_CONTACTS: Readonly<Record<AdapterSignal, CardContact>> = {
  CS: { sd: "1 (DAT3 / CS)", microSd: "2 (DAT3 / CS)" },
  SCK: { sd: "5 (CLK)", microSd: "5 (CLK)" },
  MOSI: { sd: "2 (CMD / DI)", microSd: "3 (CMD / DI)" },
  MISO: { sd: "7 (DAT0 / DO)", microSd: "7 (DAT0 / DO)" },
  "MISO (hardware wait)": { sd: "7 (DAT0 / DO)", microSd: "7 (DAT0 / DO)" },
  "3V3": { sd: "4 (VDD)", microSd: "4 (VDD)" },
  GND: { sd: "3 and 6 (VSS)", microSd: "6 (VSS)" },
};

/** What every set-up needs besides its wires. */
export const WIRING_NOTES: readonly string[] = [
  "pull-ups of 10 to 50 kOhm to 3.3 V on MISO, CS and the unused DAT1 (8) and DAT2 (9; microSD 8 and 1)",
  "3.3 V only: SD cards do not tolerate 5 V, neither as supply nor on a signal",
  "short wires, a ground wire beside SCK, 100 nF and 10 uF at the card's supply",
  "one host at a time: never in parallel with a live board",
];

/** By its name in device strings (`ft232h`), its chip's (`FT232H`) or a board's (`tigard`). */
export function findAdapterData(name: string): AdapterData | undefined {
  const wanted = name.toLowerCase();
  return ADAPTERS.find(
    ({ id, chip, boards, usbIds }) =>
      id === wanted ||
      chip.toLowerCase() === wanted ||
      boards.some((board) => board.device === wanted || board.name.toLowerCase() === wanted) ||
      usbIds.some((usb) => usb.name.toLowerCase() === wanted),
  );
}

/** Which adapter a USB device is, if it is one that is driven. */
export function adapterOfUsbId({
  vendorId,
  productId,
}: Pick<AdapterUsbId, "vendorId" | "productId">): AdapterData | undefined {
  return ADAPTERS.find(({ usbIds }) =>
    usbIds.some((usb) => usb.vendorId === vendorId && usb.productId === productId),
  );
}

/** `0403:6014` */
export function formatUsbId({
  vendorId,
  productId,
}: Pick<AdapterUsbId, "vendorId" | "productId">): string {
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  return `${hex(vendorId)}:${hex(productId)}`;
}
