import type { AdapterBridge } from "../../spi/bridge.js";
import { BridgeError } from "../../spi/errors.js";

/** What a device descriptor tells. */
export interface UsbIds {
  readonly vendorId: number;
  readonly productId: number;
}

export const CH341_VENDOR_ID = 0x1a86;
export const CH341_PRODUCT_ID = 0x5512;
/** A, B and F cannot be told apart by software. */
export const CH341_CHIP: AdapterBridge["chip"] = { name: "CH341A" };

/** Interface and endpoints of the SPI side; all variants have the same. */
export const CH341_INTERFACE = 0;
export const CH341_OUT = 0x02;
export const CH341_IN = 0x82;

/** To be shown, and acknowledged once, before anything is driven: no program can detect this (bridges.md 2.6). */
export const CH341_VOLTAGE_WARNING: string =
  'many CH341A boards (the black and the green "mini programmer") put 5 V on the signal lines although the socket has 3.3 V: that can destroy a card. ' +
  "Measure CS, SCK and MOSI before a card is connected; use a board with a voltage selector set to 3.3 V, or wire VCC (pin 28) and V3 (pin 9) of the chip to 3.3 V";

/** The chip in the modes that its straps can put it in without SPI. */
const OTHER_MODES: Readonly<Record<number, string>> = { 21795: "UART", 21892: "printer" };
const JUMPER_HINT = "unplug it, move the mode jumper to SPI/I2C (1-2), and plug it in again";

/** True for what a listing shows as a CH341: usable, or in another mode. */
export function isCh341Device({ vendorId, productId }: UsbIds): boolean {
  return (
    vendorId === CH341_VENDOR_ID && (productId === CH341_PRODUCT_ID || productId in OTHER_MODES)
  );
}

/**
 * Passes a CH341A, B or F in its parallel mode, the one with SPI.
 * @throws BridgeError BRIDGE_UNSUPPORTED, saying which mode or that it is another device
 */
export function requireCh341(ids: UsbIds): void {
  if (!isCh341Device(ids)) throw unsupported(ids, "is no CH341A", "use a CH341A, CH341B or CH341F");
  const mode = OTHER_MODES[ids.productId];
  if (mode !== undefined)
    throw unsupported(ids, `is a CH341 in ${mode} mode: move the mode jumper`, JUMPER_HINT);
}

function unsupported(ids: UsbIds, what: string, hint: string): BridgeError {
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  const name = `${hex(ids.vendorId)}:${hex(ids.productId)}`;
  const { vendorId, productId } = ids;
  return new BridgeError("BRIDGE_UNSUPPORTED", `${name} ${what}`, {
    details: { vendorId, productId },
    hint,
  });
}
