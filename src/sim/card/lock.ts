import { R2 } from "./codes.js";
import type { Core } from "./core.js";
import type { CoreState } from "./state.js";

const FLAG = { setPassword: 0x01, clearPassword: 0x02, lock: 0x04, forceErase: 0x08 } as const;
const LONGEST_PASSWORD = 16;

/**
 * The data block of CMD42 (SD Physical Layer 4.3.7): byte 0 flags, byte 1 length, then the old and the new
 * password. A failure is told by R2 alone.
 */
export function lockCard(core: Core, data: Uint8Array): void {
  if (!obey(core, data)) core.state.status |= R2.skippedOrLockFailed;
}

function obey(core: Core, data: Uint8Array): boolean {
  const flags = data[0] as number;
  const length = data[1] ?? 0;
  const given = [...data.subarray(2, 2 + length)];
  if ((flags & FLAG.forceErase) !== 0) return forceErase(core, flags);
  if (given.length !== length) return false;
  if ((flags & FLAG.setPassword) !== 0) return setPassword(core.state, flags, given);
  if (!isPassword(core.state, given)) return false;
  if ((flags & FLAG.clearPassword) !== 0) {
    Object.assign(core.state, { password: [], locked: false });
    return true;
  }
  const lock = (flags & FLAG.lock) !== 0;
  if (core.state.locked === lock) return false;
  core.state.locked = lock;
  return true;
}

/** Only of a locked card, and only by itself. */
function forceErase(core: Core, flags: number): boolean {
  if (flags !== FLAG.forceErase || !core.state.locked || core.writeProtected) return false;
  Object.assign(core.state, { password: [], locked: false, protectedGroups: [] });
  core.cells.startErase({ sector: 0, count: core.sectorCount }, core.clockedBytes);
  return true;
}

function setPassword(state: CoreState, flags: number, given: readonly number[]): boolean {
  const old = state.password.length;
  const fresh = given.slice(old);
  if (!state.password.every((byte, at) => byte === given[at])) return false;
  if (fresh.length === 0 || fresh.length > LONGEST_PASSWORD) return false;
  state.password = fresh;
  state.locked = (flags & FLAG.lock) !== 0;
  return true;
}

function isPassword({ password }: CoreState, given: readonly number[]): boolean {
  return (
    password.length > 0 &&
    password.length === given.length &&
    password.every((byte, at) => byte === given[at])
  );
}
