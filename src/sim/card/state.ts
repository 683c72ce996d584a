/** A data block on its way in. */
export interface Receiving {
  readonly what: "single" | "multi" | "csd" | "lock";
  /** Byte address of the next block. */
  address: number;
  readonly length: number;
  /** The token has come: bytes are data. */
  collecting: boolean;
  at: number;
  /** Blocks that CMD23 left of it; undefined: until it is stopped. */
  blocksLeft: number | undefined;
  /** Data response of the block that was refused: those behind it are ignored. */
  refused: number | undefined;
}

/** CMD18. */
export interface Reading {
  /** Byte address of the next block. */
  address: number;
  blocksLeft: number | undefined;
  /** Nothing more comes: an error token was sent. */
  over: boolean;
}

export interface Busy {
  bytesLeft: number;
  untilUs: number;
}

/** All of the protocol's state: plain data, so that a snapshot is a copy. */
export interface CoreState {
  power: boolean;
  /** Native mode until the first CMD0 with CS low. */
  spi: boolean;
  ready: boolean;
  /** Nothing is heard or said until power is cycled. */
  dead: boolean;
  crcOn: boolean;
  app: boolean;
  locked: boolean;
  highSpeed: boolean;
  blockLength: number;
  startUpBytes: number;
  resets: number;
  initStartUs: number | undefined;
  hostSupportsHc: boolean;
  cmd8Passed: boolean;
  stalled: boolean;
  receiving: Receiving | undefined;
  reading: Reading | undefined;
  /** A register or single block is being sent. */
  sending: boolean;
  busy: Busy | undefined;
  eraseStart: number | undefined;
  eraseEnd: number | undefined;
  /** R2, second byte; cleared by reading. */
  status: number;
  wellWritten: number;
  preErased: number;
  /** CMD23 of an MMC, for the next command only. */
  blockCount: number | undefined;
  protectedGroups: readonly number[];
  password: readonly number[];
  csd: Uint8Array;
  cmd59Failed: boolean;
  /** Bits that the next R1 carries besides its own. */
  r1Once: number;
}

/** A copy that shares nothing that can change. */
export function copyState(state: CoreState): CoreState {
  return {
    ...state,
    receiving: state.receiving && { ...state.receiving },
    reading: state.reading && { ...state.reading },
    busy: state.busy && { ...state.busy },
    csd: state.csd.slice(),
  };
}
