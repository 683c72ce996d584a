import type { MpsseEvent, MpsseShift } from "../../bridge/ftdi/decoder.js";
import type { Report } from "./violations.js";
import type { SpiWire } from "./wire.js";

/** What of the engine's modes the rules look at. */
export interface EngineModes {
  readonly loopback: boolean;
  readonly adaptive: boolean;
  readonly threePhase: boolean;
}

const MAX_BITS = 8;
const SYNC_PROBES: readonly number[] = [0xaa, 0xab];

const hex = (value: number): string => value.toString(16).padStart(2, "0").toUpperCase();

function checkClocked(what: string, wire: SpiWire, modes: EngineModes, say: Say): void {
  if (!wire.clockIsOutput) say("pins", `${what} while SCK is no output`);
  else if (wire.clockIdlesHigh) say("pins", `${what} while SCK idles high`);
  if (modes.adaptive) say("clock-mode", `${what} with adaptive clocking on`);
  if (modes.threePhase) say("clock-mode", `${what} with three-phase data on`);
}

type Say = (rule: Parameters<Report>[0], message: string) => void;

function checkShift(shift: MpsseShift, wire: SpiWire, modes: EngineModes, say: Say): void {
  const what = `shift ${hex(shift.opcode)}`;
  checkClocked(what, wire, modes, say);
  if (shift.unit === "bits" && shift.length > MAX_BITS)
    say("shift-length", `${what} of ${shift.length} bits`);
  if (shift.tms || shift.lsbFirst) say("shift-kind", `${what} is not MSB first on DO`);
  if (shift.write && shift.writeEdge !== "falling")
    say("shift-kind", `${what} changes DO on the rising edge`);
  if (shift.read && shift.readEdge !== "rising")
    say("shift-kind", `${what} samples DI on the falling edge`);
  if (shift.write && !wire.dataIsOutput) say("pins", `${what} while DO is no output`);
  if (wire.cs === "high") return;
  if (modes.loopback) say("loopback-selected", `${what} in loopback while CS is low`);
  if (!shift.write && !wire.dataOut) say("mosi-low", `${what} with DO low while CS is low`);
}

/** Reports what `event` breaks, given the state in which it is executed. */
export function checkEvent(
  event: MpsseEvent,
  wire: SpiWire,
  modes: EngineModes,
  atUs: number,
  report: Report,
): void {
  const say: Say = (rule, message) => report(rule, atUs, `${message} (OUT byte ${event.offset})`);
  switch (event.kind) {
    case "shift":
      checkShift(event, wire, modes, say);
      return;
    case "clocks":
      checkClocked("clocks", wire, modes, say);
      if (wire.cs === "low" && !wire.dataOut) say("mosi-low", "clocks with DO low while CS is low");
      return;
    case "wait":
      if (event.clocks !== "none") checkClocked("wait", wire, modes, say);
      if (event.clocks !== "none" && wire.cs === "low" && !wire.dataOut)
        say("mosi-low", "wait with DO low while CS is low");
      return;
    case "divisor":
    case "divideBy5":
      if (wire.cs === "low") say("clock-change-selected", `${event.kind} while CS is low`);
      return;
    case "badOpcode":
      if (!SYNC_PROBES.includes(event.opcode)) say("bad-opcode", `opcode ${hex(event.opcode)}`);
      return;
    default:
      return;
  }
}
