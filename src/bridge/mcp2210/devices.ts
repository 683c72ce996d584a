import { BridgeError } from "../../spi/errors.js";

export const MCP2210_VENDOR_ID = 0x04d8;
export const MCP2210_PRODUCT_ID = 0x00de;

/** What a HID device says that it is. */
export interface HidIds {
  readonly vendorId: number;
  readonly productId: number;
}

/** As Microchip writes it. */
export const MCP2210_CHIP: { readonly name: string } = { name: "MCP2210" };

/** What to expect, for `list`, `doctor` and the README. */
export const MCP2210_RATE =
  "about 30 kB/s at best (60 bytes every 2 ms); 5.3 kB/s was published (mcp2210-linux#11): for identification and single records";

/** True for what a listing shows as an MCP2210. */
export function isMcp2210Device({ vendorId, productId }: HidIds): boolean {
  return vendorId === MCP2210_VENDOR_ID && productId === MCP2210_PRODUCT_ID;
}

/** @throws BridgeError BRIDGE_UNSUPPORTED for any other device */
export function requireMcp2210(ids: HidIds): void {
  if (isMcp2210Device(ids)) return;
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  throw new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `the HID device ${hex(ids.vendorId)}:${hex(ids.productId)} is no MCP2210`,
    {
      details: { vendorId: ids.vendorId, productId: ids.productId },
      hint: "choose an MCP2210 (04d8:00de); a board with a vendor and product id of its own has to be set back to these",
    },
  );
}
