import { BridgeError } from "../../../spi/errors.js";

/** What came, or did not come, makes no sense: the stream is out of step until it has been quiet for long enough. */
export class Misunderstood extends BridgeError {
  /** The device itself has said so: what it was sent was not carried out. */
  readonly refused: boolean;

  constructor(why: string, refused = false) {
    super("BRIDGE_PROTOCOL", `the adapter is not understood: ${why}`, {
      details: { why },
      hint: "bytes were lost on the way: check the cable, the baud rate, and that no other program uses the port",
    });
    this.refused = refused;
  }
}
