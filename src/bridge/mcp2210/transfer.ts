import type { Deadline } from "../../util/deadline.js";
import { encodeTransfer } from "./codec.js";
import type { TransferAnswer } from "./decoder.js";
import type { Mcp2210Link } from "./link.js";
import { strangeAnswer } from "./link-errors.js";
import { CHUNK_BYTES, COMMAND } from "./reports.js";

/**
 * One SPI transaction of as many bytes as the chip was set to: `mosi` out, MISO back. The answer to a chunk has the bytes of the chunk
 * before it, so that the last ones take a report without data; whether the chip calls itself finished in that one's answer or in the next,
 * documents do not say, so both are right.
 * @throws BridgeError BRIDGE_PROTOCOL if it ends with more or fewer bytes; what {@link Mcp2210Link.ask} throws
 */
export async function transfer(
  link: Mcp2210Link,
  mosi: Uint8Array,
  deadline: Deadline,
): Promise<Uint8Array> {
  const miso = new Uint8Array(mosi.length);
  for (let sent = 0, received = 0; ; ) {
    const chunk = mosi.subarray(sent, sent + CHUNK_BYTES);
    const answer = await link.ask(encodeTransfer(chunk), "transfer", deadline);
    if (received + answer.data.length > sent) throw outOfCount(answer, sent, received, mosi.length);
    miso.set(answer.data, received);
    received += answer.data.length;
    sent += chunk.length;
    if (answer.engine === "finished") {
      if (received === mosi.length) return miso;
      throw outOfCount(answer, sent, received, mosi.length);
    }
    // The last chunk is still on the wires.
    if (chunk.length + answer.data.length === 0) await link.pause(deadline);
  }
}

function outOfCount(answer: TransferAnswer, sent: number, received: number, wanted: number): Error {
  const why = `gave ${received + answer.data.length} bytes of ${wanted}, ${sent} sent, and is ${String(answer.engine)}`;
  return strangeAnswer(COMMAND.transfer, answer.data, why);
}
