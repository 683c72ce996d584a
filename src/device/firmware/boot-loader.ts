import { openSerial } from "../../transport/serial.js";
import type { Clock } from "../../util/clock.js";

/** A board that runs our firmware starts its boot loader when its port is closed at this rate, as Arduino boards do. */
const BOOT_LOADER_BAUD = 1200;

/** @throws TransportError if the port cannot be opened */
export async function startBootLoader(path: string, clock: Clock): Promise<void> {
  const transport = await openSerial({ path, baudRate: BOOT_LOADER_BAUD, clock });
  await transport.close();
}
