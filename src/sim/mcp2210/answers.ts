import {
  type ChipSettings,
  type ChipStatus,
  DATA_OFFSET,
  ENGINE,
  putChipSettings,
  putSpiSettings,
  REPORT_BYTES,
  type SpiSettings,
  STATUS,
} from "../../bridge/mcp2210/decoder.js";
import { viewOf } from "../../util/bytes.js";

/** An input report with only its status. */
export function answerWith(command: number, status: number = STATUS.ok): Uint8Array {
  const report = new Uint8Array(REPORT_BYTES);
  report[0] = command;
  report[1] = status;
  return report;
}

export function statusAnswer(command: number, status: ChipStatus): Uint8Array {
  const report = answerWith(command);
  report.set([
    command,
    STATUS.ok,
    status.releasePending ? 0 : 1,
    status.busOwner,
    status.passwordTries,
    status.unlocked ? 1 : 0,
  ]);
  return report;
}

export function chipSettingsAnswer(command: number, settings: ChipSettings): Uint8Array {
  const report = answerWith(command);
  putChipSettings(viewOf(report), settings);
  return report;
}

export function spiSettingsAnswer(command: number, settings: SpiSettings): Uint8Array {
  const report = answerWith(command);
  putSpiSettings(viewOf(report), settings);
  return report;
}

/** Levels or directions of the pins. */
export function pinsAnswer(command: number, bits: number): Uint8Array {
  const report = answerWith(command);
  viewOf(report).setUint16(DATA_OFFSET, bits, true);
  return report;
}

export function transferAnswer(
  command: number,
  engine: keyof typeof ENGINE,
  data: Uint8Array,
): Uint8Array {
  const report = answerWith(command);
  report[2] = data.length;
  report[3] = ENGINE[engine];
  report.set(data, DATA_OFFSET);
  return report;
}
