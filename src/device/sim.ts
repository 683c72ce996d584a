import { connectSocketTransport } from "../sim/serve/client.js";
import { RealClock } from "../util/clock.js";
import { openCardStack } from "./card-stack.js";
import { IntentJournal, runtimeFile } from "./journal.js";
import { clockOfSim, FIRMWARE_PLACES, openSimStand } from "./sim-stand.js";
import type { DeviceSpec } from "./spec.js";
import type { OpenedDevice, OpenOptions } from "./types.js";

/**
 * `sim:card.img`: the whole stack in this process, from the driver's USB bytes to a card model over an image file, on a simulated clock;
 * own firmware in a process of its own, on the real one.
 * @throws UsageError for unknown options; BlockError, LockedError for the image; what opening a card throws
 */
export async function openSim(
  spec: Extract<DeviceSpec, { kind: "sim" }>,
  options: OpenOptions,
): Promise<OpenedDevice> {
  const { readOnly, firmwarePlaces: places = FIRMWARE_PLACES } = options;
  const clock = clockOfSim(spec.options);
  const stand = await openSimStand({ spec, readOnly, clock, places });
  const name = `sim:${spec.path}`;
  try {
    const stack = await openCardStack({
      link: stand.link(),
      family: stand.family,
      settings: stand.settings,
      clock,
      options,
      deviceString: name,
    });
    const close = async (): Promise<void> => {
      await stack.close().finally(() => stand.close());
    };
    return { ...stack, name, block: stack.card, close };
  } catch (error) {
    await stand.close();
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
