import { CardDecoder, type CardEvent } from "../card/decoder.js";

const REPLY_AHEAD = 8;

/** Commands with a right CRC7 in what is sent to the card; a data block is no place to look in. */
export function commandsIn(bytes: Uint8Array): string[] {
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
