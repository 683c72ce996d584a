import { BridgeError } from "../../spi/errors.js";
import { describeCommand, STATUS } from "./reports.js";

const MEANING: Readonly<Record<number, string>> = {
  [STATUS.unknownCommand]: "it does not know the command",
  [STATUS.eepromFailed]: "writing its EEPROM failed",
  [STATUS.blocked]: "access to its settings is blocked",
  [STATUS.rejected]: "access to its settings is rejected",
  [STATUS.wrongPassword]: "its settings want a password",
};
const LOCKED: readonly number[] = [STATUS.blocked, STATUS.rejected, STATUS.wrongPassword];

const hexByte = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/** What the chip's status byte says, other than that it is busy. */
export function refusal(command: number, status: number): BridgeError {
  if (status === STATUS.busNotAvailable) return busNotAvailable(command);
  const meaning = MEANING[status] ?? `status ${hexByte(status)}`;
  return new BridgeError(
    "BRIDGE_PROTOCOL",
    `the MCP2210 refused ${describeCommand(command)}: ${meaning}`,
    {
      details: { command, status },
      ...(LOCKED.includes(status)
        ? { hint: "its settings are protected: unlock it with Microchip's MCP2210 utility" }
        : {}),
    },
  );
}

/** Another master on the board holds the SPI bus; 80 gives the bus away, and nothing takes it. */
export function busNotAvailable(command: number): BridgeError {
  return new BridgeError(
    "BRIDGE_PROTOCOL",
    "the MCP2210 cannot have the SPI bus: another master holds it",
    {
      details: { command, status: STATUS.busNotAvailable },
      hint: "disconnect the other SPI master of the board or hold it in reset, and leave GP7 and GP8 unconnected",
    },
  );
}

/** F8 until the deadline. */
export function staysBusy(command: number, cause: unknown): BridgeError {
  return new BridgeError(
    "BRIDGE_TIMEOUT",
    `${describeCommand(command)}: the MCP2210 stays busy with a transfer`,
    {
      cause,
      details: { command, status: STATUS.busy },
      hint: "allow more time, or choose a faster clock",
    },
  );
}

/** An answer that does not belong to what was asked. */
export function strangeAnswer(command: number, answer: Uint8Array, why: string): BridgeError {
  return new BridgeError("BRIDGE_PROTOCOL", `${describeCommand(command)}: the MCP2210 ${why}`, {
    details: { command, answer: Buffer.from(answer.subarray(0, 8)).toString("hex") },
    hint: "make sure that no other program uses the adapter",
  });
}

/** The chip took the settings of its pins, and GP0 is an input still. */
export function noChipSelect(directions: number): BridgeError {
  return new BridgeError("BRIDGE_PROTOCOL", "the MCP2210 does not make its pin GP0 an output", {
    details: { directions },
    hint: "unplug it and plug it in again; chip select has to be wired to GP0",
  });
}

/** No answer to what every MCP2210 answers. */
export function noSync(what: string): BridgeError {
  return new BridgeError("BRIDGE_SYNC", `the adapter ${what}`, {
    hint: "unplug it and plug it in again; make sure that no other program uses it",
  });
}
