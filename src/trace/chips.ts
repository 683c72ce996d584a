import type { Cassette, CassetteEvent, CassetteHeader } from "../transport/cassette.js";
import { CH341_TRACE } from "./ch341-trace.js";
import { CH347_TRACE } from "./ch347-trace.js";
import { FTDI_TRACE } from "./ftdi-trace.js";
import { MCP2210_TRACE } from "./mcp2210-trace.js";
import { SERPROG_TRACE } from "./serprog-trace.js";
import type { ChipTrace, SpiLog } from "./spi-log.js";

/** Every kind of bridge that a cassette may be of. */
const TRACES: readonly ChipTrace[] = [
  FTDI_TRACE,
  CH341_TRACE,
  CH347_TRACE,
  MCP2210_TRACE,
  SERPROG_TRACE,
];

/** What a recording put on the SPI wires, by the chip's decoder; nothing for a bridge that is not known. */
export function decodeCassette({ header, events }: Cassette): SpiLog {
  const log = traceOf(header)?.log(header);
  for (const event of events) log?.take(event);
  return log ?? { spi: [], chip: [] };
}

/** Says what events of a recording mean, each in one line; empty where there is nothing to say. */
export function explainerOf(header: CassetteHeader): (event: CassetteEvent) => string {
  return traceOf(header)?.explain ?? (() => "");
}

function traceOf(header: CassetteHeader): ChipTrace | undefined {
  return TRACES.find(({ bridge }) => bridge === header.bridge);
}
