import type { FaultEndpoint } from "./faults.js";

/** What has passed between host and chip, over all channels, since the model was made. */
export interface FtdiCounts {
  readonly controlTransfers: number;
  /** Bulk OUT transfers completed. */
  readonly outTransfers: number;
  /** Bulk IN transfers completed, those of status bytes alone too. */
  readonly inTransfers: number;
  /** Bulk IN transfers that carried payload. */
  readonly inTransfersWithPayload: number;
  readonly outBytes: number;
  /** Without status bytes. */
  readonly inPayloadBytes: number;
  /** Bulk OUT transfers submitted: the index of the next one. */
  readonly outSubmitted: number;
  /** Bulk IN transfers submitted: the index of the next one. */
  readonly inSubmitted: number;
  /** Control requests submitted: the index of the next one. */
  readonly controlSubmitted: number;
}

/** Counts of one channel. */
export class FtdiCounters {
  #control = 0;
  #out = 0;
  #in = 0;
  #withPayload = 0;
  #outBytes = 0;
  #payload = 0;
  readonly #submitted: Record<FaultEndpoint, number> = { in: 0, out: 0, control: 0 };

  /** Returns the index of the transfer. */
  submitted(endpoint: FaultEndpoint): number {
    return this.#submitted[endpoint]++;
  }

  controlDone(): void {
    this.#control++;
  }

  outDone(bytes: number): void {
    this.#out++;
    this.#outBytes += bytes;
  }

  inDone(payloadBytes: number): void {
    this.#in++;
    if (payloadBytes <= 0) return;
    this.#withPayload++;
    this.#payload += payloadBytes;
  }

  get counts(): FtdiCounts {
    return {
      controlTransfers: this.#control,
      outTransfers: this.#out,
      inTransfers: this.#in,
      inTransfersWithPayload: this.#withPayload,
      outBytes: this.#outBytes,
      inPayloadBytes: this.#payload,
      outSubmitted: this.#submitted.out,
      inSubmitted: this.#submitted.in,
      controlSubmitted: this.#submitted.control,
    };
  }
}

/** Counts of several channels together. */
export function sumCounts(all: readonly FtdiCounts[]): FtdiCounts {
  const sum = (pick: (counts: FtdiCounts) => number): number =>
    all.reduce((total, counts) => total + pick(counts), 0);
  return {
    controlTransfers: sum((counts) => counts.controlTransfers),
    outTransfers: sum((counts) => counts.outTransfers),
    inTransfers: sum((counts) => counts.inTransfers),
    inTransfersWithPayload: sum((counts) => counts.inTransfersWithPayload),
    outBytes: sum((counts) => counts.outBytes),
    inPayloadBytes: sum((counts) => counts.inPayloadBytes),
    outSubmitted: sum((counts) => counts.outSubmitted),
    inSubmitted: sum((counts) => counts.inSubmitted),
    controlSubmitted: sum((counts) => counts.controlSubmitted),
  };
}
