import { viewOf } from "../util/bytes.js";
import { RECORD_MAGIC } from "./record-fields.js";
import { decodeZoneHeader, ZONE_HEADER_BYTES } from "./zone-header.js";

const SECTOR = 512;
/** s_magic of ext2, 3 and 4 (Documentation/filesystems/ext4/super.rst): its first sector is blank. */
const EXT_MAGIC_OFFSET = 1024 + 0x38;
const EXT_MAGIC = 0xef53;

/**
 * True if a zone without a record seems to hold somebody else's data: a boot sector, a file system, anything but blanks or what was once a
 * zone. A kernel would write over it without asking; a tool asks.
 *
 * @param bytes the first 2048 bytes of the zone, or more
 */
export function holdsForeignData(bytes: Uint8Array): boolean {
  if (
    bytes.length > EXT_MAGIC_OFFSET + 2 &&
    viewOf(bytes).getUint16(EXT_MAGIC_OFFSET, true) === EXT_MAGIC
  )
    return true;
  const first = bytes.subarray(0, SECTOR);
  const [blank = 0] = first;
  if ((blank === 0 || blank === 0xff) && first.every((byte) => byte === blank)) return false;
  if (decodeZoneHeader(bytes) !== undefined) return false;
  const magic = viewOf(bytes).getUint32(ZONE_HEADER_BYTES, true);
  return (
    magic !== RECORD_MAGIC && viewOf(bytes).getUint32(ZONE_HEADER_BYTES, false) !== RECORD_MAGIC
  );
}
