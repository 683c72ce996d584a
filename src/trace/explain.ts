import { decodeSio, MpsseDecoder, type MpsseEvent } from "../bridge/ftdi/decoder.js";
import { CardDecoder, type CardEvent } from "../card/decoder.js";
import type { CassetteEvent } from "../transport/cassette.js";
import { describeOperation } from "./describe.js";

const SHOWN_OPERATIONS = 6;
const REPLY_AHEAD = 8;

/** What a recorded transfer means, in one line: the card commands in it, or what the chip is told; empty where there is nothing to say. */
export function explainEvent(event: CassetteEvent): string {
  if (event.kind !== "submit") return "";
  const { request } = event;
  if (request.type === "controlOut" || request.type === "controlIn")
    return describeOperation(decodeSio(request.setup));
  return request.type === "bulkOut" ? explainScript(request.data) : "";
}

function explainScript(data: Uint8Array): string {
  const operations: MpsseEvent[] = [];
  new MpsseDecoder("ft232h").push(data, (event) => operations.push(event));
  const commands = operations.flatMap((event) =>
    event.kind === "payload" ? commandsIn(event.bytes) : [],
  );
  if (commands.length > 0) return commands.join(", ");
  const told = operations.filter(({ kind }) => kind !== "payload").map(describeOperation);
  return told.length <= SHOWN_OPERATIONS
    ? told.join(", ")
    : `${told.slice(0, SHOWN_OPERATIONS).join(", ")}, ...`;
}

/** Commands with a right CRC7 in what is sent to the card; a data block is no place to look in. */
function commandsIn(bytes: Uint8Array): string[] {
  if (bytes.length > 64) return [`${bytes.length} bytes of data`];
  const found: CardEvent[] = [];
  const decoder = new CardDecoder((event) => found.push(event));
  const padded = new Uint8Array(bytes.length + REPLY_AHEAD).fill(0xff);
  padded.set(bytes);
  decoder.push(padded, new Uint8Array(padded.length).fill(0xff));
  return found.flatMap((event) =>
    event.kind === "command" && event.crc7 === event.crc7Expected
      ? [`${event.name} argument 0x${event.argument.toString(16).padStart(8, "0")}`]
      : [],
  );
}
