import type { PortCounters } from "./bulk-port.js";
import type { FaultEndpoint } from "./faults.js";

/** What has passed between host and chip since the model was made. */
export interface UsbCounts {
  readonly controlTransfers: number;
  /** Bulk transfers completed. */
  readonly outTransfers: number;
  readonly inTransfers: number;
  readonly outBytes: number;
  readonly inBytes: number;
  /** Packets of bulk transfers that have passed, those of cancelled transfers too. */
  readonly outPackets: number;
  readonly inPackets: number;
  /** Transfers submitted, by endpoint: the index of the next one. */
  readonly outSubmitted: number;
  readonly inSubmitted: number;
  readonly controlSubmitted: number;
}

/** Counts transfers of one interface. */
export class UsbCounters implements PortCounters {
  #control = 0;
  #out = 0;
  #in = 0;
  #outBytes = 0;
  #inBytes = 0;
  readonly #submitted: Record<FaultEndpoint, number> = { in: 0, out: 0, control: 0 };

  submitted(endpoint: FaultEndpoint): number {
    return this.#submitted[endpoint]++;
  }

  controlDone(): void {
    this.#control++;
  }

  outDone(data: Uint8Array): void {
    this.#out++;
    this.#outBytes += data.length;
  }

  inDone(data: Uint8Array): void {
    this.#in++;
    this.#inBytes += data.length;
  }

  get counts(): Omit<UsbCounts, "outPackets" | "inPackets"> {
    return {
      controlTransfers: this.#control,
      outTransfers: this.#out,
      inTransfers: this.#in,
      outBytes: this.#outBytes,
      inBytes: this.#inBytes,
      outSubmitted: this.#submitted.out,
      inSubmitted: this.#submitted.in,
      controlSubmitted: this.#submitted.control,
    };
  }
}
