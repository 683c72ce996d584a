import { openSerial } from "../transport/serial.js";
import type { SerialTransport } from "../transport/types.js";
import type { Clock } from "../util/clock.js";

/** Opens the serial port that a board's console is on. @throws TransportError */
export function openConsolePort(options: {
  readonly path: string;
  readonly baudRate: number;
  readonly clock: Clock;
}): Promise<SerialTransport> {
  return openSerial(options);
}
