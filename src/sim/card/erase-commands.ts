import type { Handler } from "./basic-commands.js";
import type { SectorRange } from "./cells.js";
import { R1, R2 } from "./codes.js";
import type { Core } from "./core.js";
import { SECTOR } from "./flash.js";

const GROUPS_SHOWN = 32;

/** CMD32/33, of MMC CMD35/36. */
export function eraseBound(which: "eraseStart" | "eraseEnd"): Handler {
  return (core, argument) => {
    const address = core.addressOf(argument);
    if (which === "eraseEnd" && core.state.eraseStart === undefined) {
      core.respond(R1.eraseSequence);
      return;
    }
    const errors = address >= core.sectorCount * SECTOR ? R1.parameter : 0;
    if (errors === 0) core.state[which] = Math.floor(address / SECTOR);
    core.respond(errors);
  };
}

/** CMD38: whole erase units, without what is protected. */
export function erase(core: Core): void {
  const { eraseStart, eraseEnd } = core.state;
  core.state.eraseStart = undefined;
  core.state.eraseEnd = undefined;
  if (eraseStart === undefined || eraseEnd === undefined) {
    core.respond(R1.eraseSequence);
    return;
  }
  core.respond(0);
  if (core.writeProtected) core.state.status |= R2.protected;
  else if (eraseEnd < eraseStart) core.state.status |= R2.eraseParameter;
  else for (const range of unprotected(core, eraseStart, eraseEnd)) begin(core, range);
  core.startBusy(core.options.eraseBusy);
}

function begin(core: Core, range: SectorRange): void {
  core.cells.startErase(range, core.clockedBytes);
}

/** The erase units from `first` to `last`, both included, cut where sectors are protected. */
function unprotected(core: Core, first: number, last: number): SectorRange[] {
  const unit = core.facts.eraseSectors;
  const from = first - (first % unit);
  const end = Math.min(core.sectorCount, last - (last % unit) + unit);
  if (core.state.protectedGroups.length === 0) return [{ sector: from, count: end - from }];
  const ranges: SectorRange[] = [];
  for (let at = from; at < end; ) {
    const group = core.protectGroupOf(at);
    const next = Math.min(end, (group + 1) * core.facts.protectSectors);
    if (core.isProtected(at)) core.state.status |= R2.skippedOrLockFailed;
    else ranges.push({ sector: at, count: next - at });
    at = next;
  }
  return ranges;
}

/** CMD28 and CMD29. */
export function protectGroup(on: boolean): Handler {
  return (core, argument) => {
    const sector = Math.floor(argument / SECTOR);
    if (sector >= core.sectorCount) {
      core.respond(R1.parameter);
      return;
    }
    const group = core.protectGroupOf(sector);
    const others = core.state.protectedGroups.filter((one) => one !== group);
    core.state.protectedGroups = on ? [...others, group] : others;
    core.respond(0);
    core.startBusy(core.options.stopBusy);
  };
}

/** CMD30: 32 bits, the addressed group in the last one. */
export function sendProtection(core: Core, argument: number): void {
  const first = core.protectGroupOf(Math.floor(argument / SECTOR));
  const bytes = new Uint8Array(GROUPS_SHOWN / 8);
  for (let at = 0; at < GROUPS_SHOWN; at++) {
    if (!core.state.protectedGroups.includes(first + at)) continue;
    const byte = bytes.length - 1 - (at >> 3);
    bytes[byte] = (bytes[byte] as number) | (1 << (at & 7));
  }
  core.respond(0);
  core.sendRegister(bytes);
}
