import { randomBytes } from "node:crypto";
import { openImage } from "../block/image.js";
import { RealClock } from "../util/clock.js";
import { UsageError } from "../util/errors.js";
import { createRandom } from "../util/random.js";
import type { OpenedDevice, OpenOptions } from "./types.js";

const SEED_BYTES = 16;

/**
 * `image:card.img`: the file itself, without bridge or card.
 * @throws BlockError, LockedError of the image; UsageError if a recording is asked for
 */
export async function openImageDevice(path: string, options: OpenOptions): Promise<OpenedDevice> {
  const name = `image:${path}`;
  if (options.recordTo !== undefined) throw nothingToRecord(name);
  const clock = new RealClock();
  const block = await openImage(path, { readOnly: options.readOnly, clock });
  return {
    name,
    block,
    clock,
    random: createRandom(new Uint8Array(randomBytes(SEED_BYTES))),
    notes: block.tookOverLock
      ? [`note: the lock of a process that has died was taken over: ${path}`]
      : [],
    close: () => block.close(),
  };
}

function nothingToRecord(name: string): UsageError {
  return new UsageError(`${name} has no USB traffic to record`, {
    hint: "record with an adapter, or with -d sim:card.img",
  });
}
