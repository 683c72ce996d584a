import { MmcpstoreError } from "../util/errors.js";

/** The bridge chip, not the card, did not do what was asked (BRIDGE_ codes). */
export class BridgeError extends MmcpstoreError {}

/** The card did not do what was asked, or is not there (CARD_ codes). */
export class CardError extends MmcpstoreError {}
