import { constants, setPriority } from "node:os";

/**
 * Lets a process run before others of this machine, where that is allowed: an emulated machine that starves misses the deadlines that
 * are judged in it.
 */
export function prefer(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_HIGH);
  } catch {
    // Only root may: it is slower then, not wrong.
  }
}
