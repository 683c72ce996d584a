import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import type { SectorWrite } from "./write-plan.js";

/** Sectors of a device with planned changes on top: a later change of a sector builds on the earlier one. */
export class SectorOverlay {
  readonly #device: BlockDevice;
  readonly #deadline: Deadline | undefined;
  readonly #sectors = new Map<number, Uint8Array>();

  constructor(device: BlockDevice, deadline?: Deadline) {
    this.#device = device;
    this.#deadline = deadline;
  }

  /** The write of the one sector that holds `length` bytes at `offset` (from the start of the device), filled with zeros there. */
  async clear(offset: number, length: number): Promise<SectorWrite> {
    const lba = Math.floor(offset / BLOCK_SIZE);
    const bytes = (await this.#current(lba)).slice();
    bytes.fill(0, offset % BLOCK_SIZE, (offset % BLOCK_SIZE) + length);
    this.#sectors.set(lba, bytes);
    return { lba, bytes };
  }

  /** All changed sectors as they are in the end. */
  changed(): SectorWrite[] {
    return [...this.#sectors].map(([lba, bytes]) => ({ lba, bytes }));
  }

  async #current(lba: number): Promise<Uint8Array> {
    const planned = this.#sectors.get(lba);
    if (planned !== undefined) return planned;
    const bytes = new Uint8Array(BLOCK_SIZE);
    await this.#device.read(lba, bytes, this.#deadline);
    return bytes;
  }
}
