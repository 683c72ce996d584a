import { SimClock } from "../sim/clock.js";
import { connectSocketTransport } from "../sim/serve/client.js";
import { RealClock } from "../util/clock.js";
import { openCardStack } from "./card-stack.js";
import { IntentJournal, runtimeFile } from "./journal.js";
import { linkOf, settingsOfSim } from "./sim-adapter.js";
import { openSimBench } from "./sim-bench.js";
import { parseSimOptions } from "./sim-options.js";
import type { DeviceSpec } from "./spec.js";
import type { OpenedDevice, OpenOptions } from "./types.js";

/**
 * `sim:card.img`: the whole stack in this process, from the driver's USB bytes to a card model over an image file, on a simulated clock.
 * @throws UsageError for unknown options; BlockError, LockedError for the image; what opening a card throws
 */
export async function openSim(
  spec: Extract<DeviceSpec, { kind: "sim" }>,
  options: OpenOptions,
): Promise<OpenedDevice> {
  const sim = parseSimOptions(spec.options);
  const clock = new SimClock(new RealClock().wallTime());
  const bench = await openSimBench({
    path: spec.path,
    sim,
    readOnly: options.readOnly,
    clock,
  });
  try {
    const stack = await openCardStack({
      link: linkOf(bench.adapter),
      family: bench.adapter.family,
      settings: settingsOfSim(sim),
      clock,
      options,
      deviceString: `sim:${spec.path}`,
    });
    const close = async (): Promise<void> => {
      await stack.close().finally(() => bench.close());
    };
    return { ...stack, name: `sim:${spec.path}`, block: stack.card, close };
  } catch (error) {
    await bench.close();
    throw error;
  }
}

/** `sim:unix:PATH`: a simulator in a process of its own (`mmcpstore sim serve`). */
export async function openSimSocket(path: string, options: OpenOptions): Promise<OpenedDevice> {
  const clock = new RealClock();
  const name = `sim:unix:${path}`;
  const transport = await connectSocketTransport(path, clock);
  const stack = await openCardStack({
    link: { kind: "usb", transport },
    family: "ftdi",
    settings: {},
    clock,
    options,
    deviceString: name,
    journal: new IntentJournal(runtimeFile(name, options, "journal"), clock, options.log),
  });
  return { ...stack, name, block: stack.card };
}
