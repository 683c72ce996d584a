import type { AdapterBridge } from "../../spi/bridge.js";
import { BridgeError } from "../../spi/errors.js";

/** What a device descriptor tells. */
export interface UsbIds {
  readonly vendorId: number;
  readonly productId: number;
}

/** A CH347 that has SPI on a bulk interface. */
export interface Ch347Chip {
  readonly chip: AdapterBridge["chip"];
  readonly productId: number;
  /** Its SPI interface; the others are serial ports. */
  readonly interfaceNumber: number;
}

export const CH347_VENDOR_ID = 0x1a86;
/** Of the SPI interface, in both parts (bridges.md 3.1). */
export const CH347_OUT = 0x06;
export const CH347_IN = 0x86;

const CHIPS: readonly Ch347Chip[] = [
  { chip: { name: "CH347T" }, productId: 0x55db, interfaceNumber: 2 },
  { chip: { name: "CH347F" }, productId: 0x55de, interfaceNumber: 4 },
];

/** Modes of a CH347T without SPI, or with SPI behind HID. */
const OTHER_MODES: readonly { readonly productId: number; readonly mode: string }[] = [
  { productId: 0x55da, mode: "mode 0 (two UARTs, no SPI)" },
  { productId: 0x55dc, mode: "mode 2 (SPI over HID)" },
  { productId: 0x55dd, mode: "mode 3 (JTAG and I2C, no SPI)" },
];
const MODE_HINT =
  "unplug it, set the mode straps of the board to mode 1, and plug it in again: the chip reads them at power-up only";

/** True for what a listing shows as a CH347: usable, or in another mode. */
export function isCh347Device({ vendorId, productId }: UsbIds): boolean {
  if (vendorId !== CH347_VENDOR_ID) return false;
  return [...CHIPS, ...OTHER_MODES].some((known) => known.productId === productId);
}

/**
 * Which part it is, and where its SPI is.
 * @throws BridgeError BRIDGE_UNSUPPORTED, saying which mode it is in, or that it is another device
 */
export function requireCh347(ids: UsbIds): Ch347Chip {
  const { productId } = ids;
  if (!isCh347Device(ids)) throw unsupported(ids, "is no CH347", "use a CH347T or a CH347F");
  const chip = CHIPS.find((known) => known.productId === productId);
  if (chip !== undefined) return chip;
  const mode = OTHER_MODES.find((known) => known.productId === productId)?.mode;
  throw unsupported(ids, `is a CH347T in ${mode}, where mode 1 is needed`, MODE_HINT);
}

function unsupported(ids: UsbIds, what: string, hint: string): BridgeError {
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  const { vendorId, productId } = ids;
  const name = `${hex(vendorId)}:${hex(productId)}`;
  return new BridgeError("BRIDGE_UNSUPPORTED", `${name} ${what}`, {
    details: { vendorId, productId },
    hint,
  });
}
