import type { Deadline } from "../util/deadline.js";
import type { DeadmanPort } from "./deadman.js";
import {
  BLOCK_SIZE,
  type BlockDevice,
  type BlockGeometryHints,
  checkRange,
  checkWritable,
} from "./device.js";
import { checkExtents, type PanicPort } from "./panic.js";

/** A run of blocks of another device, as a device of its own. */
export class PartitionView implements BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly blockCount: number;
  readonly hints: BlockGeometryHints;
  /** Where it begins on the other device. */
  readonly startLba: number;
  readonly erase?: (lba: number, count: number, deadline?: Deadline) => Promise<void>;
  readonly panic?: PanicPort;
  readonly deadman?: DeadmanPort;
  readonly #device: BlockDevice;

  /** @throws BlockError BLOCK_RANGE if the run does not lie inside the device */
  constructor(device: BlockDevice, startLba: number, blockCount: number) {
    checkRange(device, startLba, blockCount * BLOCK_SIZE);
    this.#device = device;
    this.startLba = startLba;
    this.blockCount = blockCount;
    this.hints = hintsFrom(device.hints, startLba);
    if (device.erase !== undefined)
      this.erase = (lba, count, deadline) => this.#erase(lba, count, deadline);
    if (device.panic !== undefined) this.panic = this.#port(device.panic);
    if (device.deadman !== undefined) this.deadman = this.#deadmanPort(device.deadman);
  }

  get readOnly(): boolean {
    return this.#device.readOnly;
  }

  async read(lba: number, into: Uint8Array, deadline?: Deadline): Promise<void> {
    checkRange(this, lba, into.length);
    await this.#device.read(this.startLba + lba, into, deadline);
  }

  async write(lba: number, data: Uint8Array, deadline?: Deadline): Promise<void> {
    checkRange(this, lba, data.length);
    checkWritable(this);
    await this.#device.write(this.startLba + lba, data, deadline);
  }

  async flush(deadline?: Deadline): Promise<void> {
    await this.#device.flush(deadline);
  }

  /** The same on the other device. */
  #shift = <T extends { readonly lba: number }>(one: T): T => ({
    ...one,
    lba: this.startLba + one.lba,
  });

  #deadmanPort(inner: DeadmanPort): DeadmanPort {
    const shift = this.#shift;
    return {
      ...inner,
      arm: async (shot, deadline) => {
        for (const { lba, bytes } of [shot.mark, ...shot.compare, ...shot.steps.flat()])
          checkRange(this, lba, bytes.length);
        checkWritable(this);
        const steps = shot.steps.map((step) => step.map(shift));
        const [mark, compare] = [shift(shot.mark), shot.compare.map(shift)];
        return inner.arm({ ...shot, steps, compare, mark }, deadline);
      },
    };
  }

  #port(inner: PanicPort): PanicPort {
    const shift = this.#shift;
    return {
      prepare: async (extents, options) => {
        checkExtents(this, extents);
        const armed = await inner.prepare(extents.map(shift), options);
        return {
          fire: (steps, compare, deadline) =>
            armed.fire(
              steps.map((step) => step.map(shift)),
              compare.map(shift),
              deadline,
            ),
        };
      },
    };
  }

  async #erase(lba: number, count: number, deadline?: Deadline): Promise<void> {
    checkRange(this, lba, count * BLOCK_SIZE);
    checkWritable(this);
    await this.#device.erase?.(this.startLba + lba, count, deadline);
  }
}

/** Multiples of the allocation unit count from the device's start: they are multiples here only if we begin at one. */
function hintsFrom(hints: BlockGeometryHints, startLba: number): BlockGeometryHints {
  const { allocationUnitBlocks, ...others } = hints;
  if (allocationUnitBlocks === undefined || startLba % allocationUnitBlocks !== 0) return others;
  return hints;
}
