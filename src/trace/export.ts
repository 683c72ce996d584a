import type { Cassette } from "../transport/cassette.js";
import { UsageError } from "../util/errors.js";
import { decodeCassette } from "./chips.js";
import { exportSigrok } from "./sigrok.js";
import { exportPcap, exportPcapng } from "./usb/pcap.js";
import { describeForUmockdev } from "./usb/umockdev.js";
import { exportVcd } from "./vcd.js";

/** Files that other tools read: of the SPI wires, or of the USB transfers. */
export const EXPORT_FORMATS = ["vcd", "sr", "pcapng", "pcap", "umockdev"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** @throws UsageError */
export function parseExportFormat(text: string): ExportFormat {
  const format = EXPORT_FORMATS.find((one) => one === text);
  if (format !== undefined) return format;
  throw new UsageError(`'${text}' is no format to export to`, {
    hint: `it is one of ${EXPORT_FORMATS.join(", ")}`,
  });
}

/** A recording in a format, in pieces. @throws UsageError if the format cannot hold it: a serial port's has no USB transfers */
export function exportTrace(cassette: Cassette, format: ExportFormat): Iterable<Uint8Array> {
  switch (format) {
    case "vcd":
      return encoded(exportVcd(decodeCassette(cassette).spi));
    case "sr":
      return exportSigrok(decodeCassette(cassette).spi);
    case "pcapng":
      return exportPcapng(cassette);
    case "pcap":
      return exportPcap(cassette);
    case "umockdev":
      return encoded([describeForUmockdev(cassette.header)]);
  }
}

function* encoded(pieces: Iterable<string>): Generator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}
