import { ringState } from "./ring.js";
import type { Zone } from "./types.js";
import type { ZoneHead } from "./zone-reader.js";

/**
 * The zone that keeps a kernel from showing the dmesg record in `target` (fs/pstore/zone.c): one in front of it that ends the
 * listing (a length too short for a record, a compressed record without payload), or a broken ring, which ends all of it.
 */
export function listingEnd(heads: readonly ZoneHead[], target: Zone): Zone | undefined {
  return heads.find(({ zone, header, dmesg }) => {
    if (zone.type !== "dmesg")
      return header?.type === zone.type && ringState(header, zone.size) === "broken";
    if (zone.index >= target.index || dmesg === undefined) return false;
    if (dmesg.state === "damaged") return true;
    const isEmpty = dmesg.datalen === dmesg.layout?.headerBytes;
    return dmesg.state === "valid" && isEmpty && dmesg.header?.compressed !== 0;
  })?.zone;
}
