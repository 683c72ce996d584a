/** The library: what the command line is built on, and a program of one's own can be. Importing it loads no native package. */
export { applyCreate, type CreateOptions, type CreatePlan, planCreate } from "./block/create.js";
export type { DeadmanPort, DeadmanShot, DeadmanStatus } from "./block/deadman.js";
export {
  BLOCK_SIZE,
  type BlockDevice,
  BlockError,
  type BlockGeometryHints,
  checkRange,
  MemoryBlockDevice,
} from "./block/device.js";
export { openImage } from "./block/image.js";
export {
  PANIC_OUTCOMES,
  type PanicOutcome,
  type PanicPort,
  type PanicRecovery,
  type PanicVerdict,
} from "./block/panic.js";
export { PartitionView } from "./block/partition-view.js";
export {
  DEFAULT_LABEL,
  type DefaultPart,
  type ResolvedPart,
  resolveDefaultPart,
  resolvePart,
  viewOfPart,
} from "./block/resolve.js";
export { type PartSelector, parsePartSelector, parseRange } from "./block/selector.js";
export {
  type PartitionEntry,
  type PartitionTable,
  readTable,
  type TableFinding,
} from "./block/table.js";
export type { CardIdentity } from "./card/identity.js";
export type { SdCard } from "./card/sd-card.js";
export { listAdapters, openDevice } from "./device/open.js";
export { type PanicWorkerOptions, runPanicWorker } from "./device/panic-worker.js";
export { type OpenedPart, openPart } from "./device/part.js";
export type {
  AdapterInventory,
  AdapterListing,
  AdapterSummary,
  OpenedDevice,
  OpenOptions,
} from "./device/types.js";
export type { AppendReport } from "./pstore/append-report.js";
export { detectGeometry, requireProved } from "./pstore/auto-geometry.js";
export { type CheckReport, checkPartition } from "./pstore/check.js";
export { type DeadmanOptions, DeadmanRecord } from "./pstore/deadman.js";
export { reasonName, reasonNumber } from "./pstore/dmesg-head.js";
export { type ExtractedFile, extractFiles, shownRecords } from "./pstore/extract.js";
export type { Finding } from "./pstore/finding.js";
export { holdsForeignData } from "./pstore/foreign-data.js";
export { computeLayout, DEFAULT_GEOMETRY } from "./pstore/geometry.js";
export {
  ArmedRecords,
  type LostRecord,
  type PanicRecord,
  type PanicReport,
} from "./pstore/panic.js";
export { createPanicMemory, type MailboxState } from "./pstore/panic-mailbox.js";
export {
  PanicTrigger,
  PanicWorkerError,
  type TriggerAnswer,
  type TriggerRequest,
} from "./pstore/panic-trigger.js";
export { type ServedStore, servePanics } from "./pstore/panic-worker.js";
export type { CompressMode } from "./pstore/payload.js";
export { type ScanOptions, scanPartition } from "./pstore/scan.js";
export { findSignatures } from "./pstore/signatures.js";
export {
  type AppendPlan,
  type AppendRequest,
  PstoreStore,
  type StoreOptions,
} from "./pstore/store.js";
export { parseSystemMap, type SymbolLookup } from "./pstore/system-map.js";
export {
  type Geometry,
  type GeometryReport,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type PartitionScan,
  PstoreError,
  type RecordLayout,
  type RecordTime,
  type StoredRecord,
  type Zone,
} from "./pstore/types.js";
export { plannedSectors, type WritePlan } from "./pstore/write-plan.js";
export { BridgeError, CardError } from "./spi/errors.js";
export { TransportError } from "./transport/types.js";
export { type Clock, RealClock } from "./util/clock.js";
export { type Deadline, deadlineIn } from "./util/deadline.js";
export {
  ERROR_CODES,
  type ErrorCode,
  MmcpstoreError,
  RefusedError,
  UsageError,
} from "./util/errors.js";
export { type Log, silentLog } from "./util/log.js";
