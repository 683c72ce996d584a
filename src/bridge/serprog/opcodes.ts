/** Answers (flashrom serprog-protocol, version 1): ACK and the command's reply, or NAK alone. SYNCNOP is answered NAK ACK. */
export const ACK = 0x06;
export const NAK = 0x15;

/** Opcodes under the names that the protocol gives them. */
export const SERPROG = {
  nop: 0x00,
  queryInterface: 0x01,
  queryCommandMap: 0x02,
  queryName: 0x03,
  querySerialBuffer: 0x04,
  queryBusTypes: 0x05,
  queryChipSize: 0x06,
  queryOperationBuffer: 0x07,
  queryMaxWrite: 0x08,
  readByte: 0x09,
  readBytes: 0x0a,
  initOperations: 0x0b,
  writeByte: 0x0c,
  writeBytes: 0x0d,
  delay: 0x0e,
  execute: 0x0f,
  syncNop: 0x10,
  queryMaxRead: 0x11,
  setBusType: 0x12,
  spiOperation: 0x13,
  setSpiFrequency: 0x14,
  setPinState: 0x15,
  setChipSelect: 0x16,
  setSpiMode: 0x17,
  setCsMode: 0x18,
} as const;

export type SerprogName = keyof typeof SERPROG;

/** Parameter bytes behind the opcode, and reply bytes behind the ACK; of the two with data, without that. */
export interface OpcodeFacts {
  readonly name: SerprogName;
  /** As the protocol document has it. */
  readonly documentName: string;
  readonly parameters: number;
  readonly reply: number;
}

const FACTS: readonly (readonly [SerprogName, string, number, number])[] = [
  ["nop", "NOP", 0, 0],
  ["queryInterface", "Q_IFACE", 0, 2],
  ["queryCommandMap", "Q_CMDMAP", 0, 32],
  ["queryName", "Q_PGMNAME", 0, 16],
  ["querySerialBuffer", "Q_SERBUF", 0, 2],
  ["queryBusTypes", "Q_BUSTYPE", 0, 1],
  ["queryChipSize", "Q_CHIPSIZE", 0, 1],
  ["queryOperationBuffer", "Q_OPBUF", 0, 2],
  ["queryMaxWrite", "Q_WRNMAXLEN", 0, 3],
  ["readByte", "R_BYTE", 3, 1],
  ["readBytes", "R_NBYTES", 6, 0],
  ["initOperations", "O_INIT", 0, 0],
  ["writeByte", "O_WRITEB", 4, 0],
  ["writeBytes", "O_WRITEN", 6, 0],
  ["delay", "O_DELAY", 4, 0],
  ["execute", "O_EXEC", 0, 0],
  ["syncNop", "SYNCNOP", 0, 0],
  ["queryMaxRead", "Q_RDNMAXLEN", 0, 3],
  ["setBusType", "S_BUSTYPE", 1, 0],
  ["spiOperation", "O_SPIOP", 6, 0],
  ["setSpiFrequency", "S_SPI_FREQ", 4, 4],
  ["setPinState", "S_PIN_STATE", 1, 0],
  ["setChipSelect", "S_SPI_CS", 1, 0],
  ["setSpiMode", "S_SPI_MODE", 1, 0],
  ["setCsMode", "S_CS_MODE", 1, 0],
];

const TABLE: ReadonlyMap<number, OpcodeFacts> = new Map(
  FACTS.map(([name, documentName, parameters, reply]) => [
    SERPROG[name],
    { name, documentName, parameters, reply },
  ]),
);

/** Undefined for an opcode that version 1 of the protocol does not have. */
export function factsOf(opcode: number): OpcodeFacts | undefined {
  return TABLE.get(opcode);
}

/** `0x13 O_SPIOP`, as messages name a command. */
export function opcodeName(opcode: number): string {
  const hex = `0x${opcode.toString(16).padStart(2, "0")}`;
  const facts = TABLE.get(opcode);
  return facts === undefined ? hex : `${hex} ${facts.documentName}`;
}

/** Bit 3 of Q_BUSTYPE and S_BUSTYPE: SPI. */
export const BUS_SPI = 0x08;

/** Arguments of S_CS_MODE. */
export const CS_MODE = { auto: 0, selected: 1, deselected: 2 } as const;

/** Arguments of S_SPI_MODE. */
export const SPI_MODE = { halfDuplex: 0, fullDuplex: 1 } as const;
