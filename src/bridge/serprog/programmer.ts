import { BridgeError } from "../../spi/errors.js";
import type { Deadline } from "../../util/deadline.js";
import {
  BUS_SPI,
  decodeCommandMap,
  decodeMaxLength,
  decodeName,
  decodeNumber,
  encodeCommand,
  opcodeName,
  SERPROG,
} from "./codec.js";
import { isRefusal, type SerprogLink } from "./link.js";

type Query =
  | "queryInterface"
  | "queryCommandMap"
  | "queryName"
  | "queryBusTypes"
  | "querySerialBuffer"
  | "queryMaxWrite"
  | "queryMaxRead";

const PROTOCOL_VERSION = 1;
/** Stock pico-serprog has a buffer of so many bytes, does not say so, and does not look (bridges.md 5). */
const ASSUMED_MAX_BYTES = 4096;
/** What flashrom assumes. */
const ASSUMED_SERIAL_BUFFER = 16;

/** What a programmer says of itself. */
export interface Programmer {
  /** As it gives it; empty if it gives none. */
  readonly name: string;
  readonly commands: ReadonlySet<number>;
  /** Bytes that it takes ahead; 0xffff and more: its flow control works. */
  readonly serialBuffer: number;
  /** Bytes of one operation each way. */
  readonly maxWriteBytes: number;
  readonly maxReadBytes: number;
  /** Both directions at once, and chip select as it is told: 0x17 and 0x18. */
  readonly full: boolean;
  readonly setsFrequency: boolean;
  readonly setsPins: boolean;
}

/**
 * Asks a programmer in step what it is. Commands that its map does not have are never sent.
 * @throws BridgeError BRIDGE_UNSUPPORTED for another protocol version or a programmer without SPI, BRIDGE_PROTOCOL; TransportError
 */
export async function inquire(link: SerprogLink, deadline: Deadline): Promise<Programmer> {
  const version = decodeNumber(await link.run(encodeCommand("queryInterface"), deadline));
  if (version !== PROTOCOL_VERSION) throw otherVersion(version);
  const commands = decodeCommandMap(await link.run(encodeCommand("queryCommandMap"), deadline));
  const ask = (query: Query): Promise<Uint8Array | undefined> =>
    commands.has(SERPROG[query]) ? askIfKnown(link, query, deadline) : Promise.resolve(undefined);
  const name = decodeName((await ask("queryName")) ?? new Uint8Array(0));
  await requireSpi(commands, name, await ask("queryBusTypes"));
  const maxWrite = await ask("queryMaxWrite");
  const maxRead = await ask("queryMaxRead");
  const serialBuffer = await ask("querySerialBuffer");
  return {
    name,
    commands,
    serialBuffer: serialBuffer === undefined ? ASSUMED_SERIAL_BUFFER : decodeNumber(serialBuffer),
    maxWriteBytes: maxWrite === undefined ? ASSUMED_MAX_BYTES : decodeMaxLength(maxWrite),
    maxReadBytes: maxRead === undefined ? ASSUMED_MAX_BYTES : decodeMaxLength(maxRead),
    full: commands.has(SERPROG.setSpiMode) && commands.has(SERPROG.setCsMode),
    setsFrequency: commands.has(SERPROG.setSpiFrequency),
    setsPins: commands.has(SERPROG.setPinState),
  };
}

/** Undefined for a NAK: most queries may be answered so. */
async function askIfKnown(
  link: SerprogLink,
  query: Query,
  deadline: Deadline,
): Promise<Uint8Array | undefined> {
  try {
    return await link.run(encodeCommand(query), deadline);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    link.restart();
    return undefined;
  }
}

function requireSpi(
  commands: ReadonlySet<number>,
  name: string,
  busTypes: Uint8Array | undefined,
): void {
  const types = busTypes === undefined ? BUS_SPI : decodeNumber(busTypes);
  const knows = commands.has(SERPROG.spiOperation);
  if (knows && (types & BUS_SPI) !== 0) return;
  const why = knows ? "is not for SPI" : `does not know ${opcodeName(SERPROG.spiOperation)}`;
  throw new BridgeError("BRIDGE_UNSUPPORTED", `this programmer ${why}`, {
    details: { name, busTypes: types, commands: [...commands] },
    hint: "an SD card needs one that drives SPI: give it firmware that does",
  });
}

function otherVersion(version: number): BridgeError {
  return new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `this programmer speaks version ${version} of the serprog protocol, not ${PROTOCOL_VERSION}`,
    { details: { version }, hint: "give it firmware of the flashrom serprog protocol, version 1" },
  );
}
