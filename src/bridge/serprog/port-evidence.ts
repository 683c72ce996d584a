import { BridgeError } from "../../spi/errors.js";

const KEPT_BYTES = 256;
const SHOWN_BYTES = 16;
const SHOWN_TEXT = 40;
/** Share of printable bytes that makes a text. */
const TEXT_SHARE = 0.9;

const OTHER_PORT = "choose the port of a board with serprog firmware, and stop ModemManager";

const LOST = [
  "the programmer is out of step and does not come back",
  "unplug it and plug it in again: bytes were lost on the way",
] as const;

/** What was sent to a port that may be no serprog programmer, and what came back: so that the error can say it. */
export class PortEvidence {
  readonly #sent: number[] = [];
  readonly #received: number[] = [];
  #receivedBytes = 0;

  sent(bytes: Uint8Array): void {
    keep(this.#sent, bytes);
  }

  received(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    keep(this.#received, bytes);
  }

  /** @param isProgrammer it has answered as one before */
  verdict(isProgrammer: boolean): BridgeError {
    const [message, hint] = isProgrammer ? LOST : this.#judge();
    const details = {
      received: this.#receivedBytes,
      first: Buffer.from(this.#received.slice(0, SHOWN_BYTES)).toString("hex"),
    };
    return new BridgeError("BRIDGE_SYNC", message, { details, hint });
  }

  #judge(): readonly [string, string] {
    if (this.#receivedBytes === 0)
      return [
        "no serprog programmer answers: the port stays silent",
        `${OTHER_PORT}; check the baud rate, unplug it and plug it in again`,
      ];
    if (this.#isEcho)
      return [
        "this is no serprog programmer: the port sends back what it is sent",
        `${OTHER_PORT}; its lines may be looped`,
      ];
    const text = this.#text;
    if (text !== undefined)
      return [`this is no serprog programmer: the port talks text ("${text}")`, OTHER_PORT];
    return [
      "this is no serprog programmer: what the port sends makes no sense",
      `${OTHER_PORT}; check the baud rate`,
    ];
  }

  get #isEcho(): boolean {
    return this.#received.every((byte, at) => byte === this.#sent[at]);
  }

  get #text(): string | undefined {
    const text = Buffer.from(this.#received).toString("latin1");
    const printable = text.replaceAll(/[^\x20-\x7e\r\n\t]/g, "");
    if (printable.length < text.length * TEXT_SHARE) return undefined;
    return printable.trim().replaceAll(/\s+/g, " ").replaceAll('"', "'").slice(0, SHOWN_TEXT);
  }
}

function keep(into: number[], bytes: Uint8Array): void {
  into.push(...bytes.subarray(0, KEPT_BYTES - into.length));
}
