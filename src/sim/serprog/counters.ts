/** What has happened between host and board since the model was made. */
export interface SerprogCounts {
  /** Commands that were executed, by opcode; refused ones are not counted. */
  readonly commands: Readonly<Record<number, number>>;
  /** O_SPIOP among them. */
  readonly operations: number;
  /** Bytes clocked on the SPI pins. */
  readonly spiBytes: number;
  /** Calls of `write`, and reads that brought bytes. */
  readonly writes: number;
  readonly reads: number;
  readonly bytesToBoard: number;
  readonly bytesToHost: number;
}

/** Counts as they grow. */
export class SerprogCounters {
  readonly #commands: Record<number, number> = {};
  #spiBytes = 0;
  #writes = 0;
  #reads = 0;
  #bytesToBoard = 0;
  #bytesToHost = 0;

  command(opcode: number): void {
    this.#commands[opcode] = this.count(opcode) + 1;
  }

  count(opcode: number): number {
    return this.#commands[opcode] ?? 0;
  }

  clocked(bytes: number): void {
    this.#spiBytes += bytes;
  }

  wrote(bytes: number): void {
    this.#writes++;
    this.#bytesToBoard += bytes;
  }

  read(bytes: number): void {
    this.#reads++;
    this.#bytesToHost += bytes;
  }

  get counts(): SerprogCounts {
    return {
      commands: { ...this.#commands },
      operations: this.count(SPI_OPERATION),
      spiBytes: this.#spiBytes,
      writes: this.#writes,
      reads: this.#reads,
      bytesToBoard: this.#bytesToBoard,
      bytesToHost: this.#bytesToHost,
    };
  }
}

const SPI_OPERATION = 0x13;
