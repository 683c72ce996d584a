import type { Deadline } from "../../util/deadline.js";
import { SerprogLink } from "./link.js";
import { aheadOf, lineRate, type SerprogOpenOptions } from "./options.js";
import { inquire, type Programmer } from "./programmer.js";
import { SerialReader } from "./serial-reader.js";
import { type SyncParts, synchronise } from "./sync.js";

/** A programmer in step, that has said what it is. */
export interface StartedProgrammer {
  readonly parts: SyncParts;
  readonly link: SerprogLink;
  readonly said: Programmer;
}

/** @throws BridgeError BRIDGE_SYNC, BRIDGE_UNSUPPORTED, BRIDGE_PROTOCOL; TransportError */
export async function startProgrammer(
  { transport, clock, options = {} }: SerprogOpenOptions,
  deadline: Deadline,
): Promise<StartedProgrammer> {
  if (options.baudRate !== undefined) await transport.setBaudRate(options.baudRate, deadline);
  const reader = new SerialReader(transport, clock);
  const parts = { transport, reader, clock, bytesPerSecond: lineRate(options) };
  await synchronise(parts, { isProgrammer: false }, deadline);
  const link = new SerprogLink(transport, reader);
  const said = await inquire(link, deadline);
  link.aheadBytes = aheadOf(said);
  return { parts, link, said };
}
