import type { DmesgHead, RecordState, ScanWarning, ScanWarningCode, Zone } from "./types.js";

type HeadDoubt = readonly [code: ScanWarningCode, message: string, stopsKernel?: boolean];

/** What is wrong with a dmesg zone's head; undefined if nothing is. */
export function headWarning(zone: Zone, head: DmesgHead): ScanWarning | undefined {
  const doubt = headDoubt(head);
  return doubt === undefined ? undefined : warning(zone, ...doubt);
}

function headDoubt({ state, datalen, header }: DmesgHead): HeadDoubt | undefined {
  switch (state) {
    case "overtop":
      return ["overtop", `announces ${datalen} bytes, more than fit: a kernel skips it`];
    case "invalid":
      return ["invalid-magic", "has a signature but no record behind it: a kernel skips it"];
    case "damaged":
      return [
        "damaged-length",
        header?.compressed === 0
          ? `announces ${datalen} bytes, less than a record's header: a kernel that reads it overruns its memory`
          : `announces ${datalen} bytes, less than a record's header: a kernel ends its listing there`,
        true,
      ];
    default:
      return undefined;
  }
}

/** A compressed record without payload. */
export function emptyRecordWarning(zone: Zone): ScanWarning {
  const message = "holds an empty compressed record: a kernel ends its listing there";
  return warning(zone, "empty-compressed", message, true);
}

/** What is wrong with a record's contents; undefined if nothing is. */
export function stateWarning(zone: Zone, state: RecordState): ScanWarning | undefined {
  switch (state) {
    case "torn":
      return warning(zone, "torn", "holds a torn record: its checksum does not fit its bytes");
    case "salvaged":
      return warning(
        zone,
        "salvaged",
        "holds a damaged compressed record: what can be read is shown",
      );
    case "undecodable":
      return warning(zone, "undecodable", "holds a compressed record that no method unpacks");
    default:
      return undefined;
  }
}

function warning(
  zone: Zone,
  code: ScanWarningCode,
  message: string,
  stopsKernel = false,
): ScanWarning {
  return {
    code,
    message: `${zone.type} zone ${zone.index} ${message}`,
    offset: zone.offset,
    zone,
    stopsKernel,
    contradictsGeometry: false,
  };
}
