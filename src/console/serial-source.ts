import type { SerialTransport } from "../transport/types.js";
import type { Clock } from "../util/clock.js";
import { deadlineIn } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";

/** The port of a console has vanished, or is back. */
export interface PortNotice {
  readonly kind: "gone" | "back";
}

const READ_BYTES = 65_536;
const READ_MS = 60_000;
const RETRY_US = 500_000;
/** What may be over when the port is there again. */
const PASSING = new Set([
  "TRANSPORT_NOT_FOUND",
  "TRANSPORT_DISCONNECTED",
  "TRANSPORT_BUSY",
  "TRANSPORT_ACCESS",
]);

/**
 * Everything that comes out of a serial port, for ever. A port that vanishes is waited for: boards are power-cycled and cables pulled.
 * @param open opens it; the first time its errors are thrown
 */
export async function* followPort(
  open: () => Promise<SerialTransport>,
  clock: Clock,
): AsyncGenerator<Uint8Array | PortNotice> {
  let port = await open();
  try {
    for (;;) {
      try {
        yield await port.readSome(READ_BYTES, deadlineIn(clock, READ_MS));
      } catch (error) {
        if (errorCode(error) === "TRANSPORT_TIMEOUT") continue;
        if (errorCode(error) !== "TRANSPORT_DISCONNECTED") throw error;
        yield { kind: "gone" };
        await port.close().catch(() => undefined);
        port = await reopen(open, clock);
        yield { kind: "back" };
      }
    }
  } finally {
    await port.close().catch(() => undefined);
  }
}

async function reopen(
  open: () => Promise<SerialTransport>,
  clock: Clock,
): Promise<SerialTransport> {
  for (;;) {
    await clock.sleep(RETRY_US);
    try {
      return await open();
    } catch (error) {
      if (!PASSING.has(errorCode(error) ?? "")) throw error;
    }
  }
}
