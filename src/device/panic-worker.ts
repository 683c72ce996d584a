import { DEFAULT_GEOMETRY } from "../pstore/geometry.js";
import { type ServedStore, servePanics } from "../pstore/panic-worker.js";
import { PstoreStore, type StoreOptions } from "../pstore/store.js";
import type { Geometry } from "../pstore/types.js";
import { openDevice } from "./open.js";
import { openPart } from "./part.js";
import type { OpenOptions } from "./types.js";

/** The device, partition and geometry that a panic worker owns. */
export interface PanicWorkerOptions extends StoreOptions {
  /** Device string; default: the only adapter that is plugged in. */
  readonly device?: string;
  /** PART; default: the partition labelled `pstore`. */
  readonly part?: string;
  /** Default: zones of 64 KiB, nothing else, as the kernel has it. */
  readonly geometry?: Geometry;
  readonly open: Omit<OpenOptions, "readOnly">;
}

/**
 * All of a worker thread that owns a card and writes one panic record on it: see {@link servePanics}.
 * @param memory what `createPanicMemory` made, handed over as `workerData`
 */
export function runPanicWorker(
  memory: SharedArrayBuffer,
  options: PanicWorkerOptions,
): Promise<void> {
  return servePanics(memory, () => openServed(options));
}

async function openServed(options: PanicWorkerOptions): Promise<ServedStore> {
  const device = await openDevice(options.device, { ...options.open, readOnly: false });
  try {
    const { view } = await openPart(device.block, options.part);
    const geometry = options.geometry ?? DEFAULT_GEOMETRY;
    const store = new PstoreStore(view, geometry, device.clock, options);
    return { store, clock: device.clock, close: () => device.close() };
  } catch (error) {
    await device.close().catch(() => undefined);
    throw error;
  }
}
