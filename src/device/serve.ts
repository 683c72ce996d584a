import { serveModel } from "../sim/serve/server.js";
import { RealClock } from "../util/clock.js";
import { UsageError } from "../util/errors.js";
import { openSimBench } from "./sim-bench.js";
import { parseSimOptions } from "./sim-options.js";
import { parseDeviceSpec } from "./spec.js";

/** A simulator that others can connect to. */
export interface SimServer {
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Serves the simulator of a `sim:` device string on a unix socket. The card and the engine live on between clients.
 * @throws UsageError for any other device; what the image and the socket throw
 */
export async function serveSim(
  device: string | undefined,
  socket: string,
  readOnly: boolean,
): Promise<SimServer> {
  const spec = device === undefined ? undefined : parseDeviceSpec(device);
  if (spec?.kind !== "sim") {
    throw new UsageError("sim serve needs a simulated device", { hint: "give -d sim:card.img" });
  }
  const clock = new RealClock();
  // Real timers are a millisecond at best: the socket itself is the round trip.
  const bench = await openSimBench({
    path: spec.path,
    sim: parseSimOptions(spec.options),
    readOnly,
    clock,
    roundTripUs: 0,
  });
  try {
    const { adapter } = bench;
    if (adapter.family !== "ftdi")
      throw new UsageError("only FTDI chips are served on a socket", {
        hint: "export others with --usbip",
      });
    const server = await serveModel({ path: socket, model: adapter.model, clock });
    return {
      name: `sim:${spec.path}`,
      close: async () => {
        await server.close();
        await bench.close();
      },
    };
  } catch (error) {
    await bench.close();
    throw error;
  }
}
