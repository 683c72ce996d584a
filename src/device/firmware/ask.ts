import {
  type AdapterCardBus,
  type FirmwareCounters,
  type FirmwareFacts,
  type OpenedAdapter,
  pollsCard,
} from "../../spi/adapter-card-bus.js";
import type { DeadmanState } from "../../spi/deadman.js";
import { deadlineIn } from "../../util/deadline.js";
import { UsageError } from "../../util/errors.js";
import type { BenchTarget } from "../doctor/types.js";

const ANSWER_MS = 5000;

/** What our own firmware says of itself. */
export interface FirmwareSays {
  readonly adapter: string;
  readonly facts: FirmwareFacts;
  readonly minFrequencyHz: number;
  readonly maxFrequencyHz: number;
  readonly counters: FirmwareCounters;
  /** Undefined: it has none. */
  readonly deadman: DeadmanState | undefined;
}

/**
 * Opens an adapter with our own firmware and asks it; the card is left alone. The target is closed by the caller.
 * @throws UsageError if it has other firmware; what opening throws
 */
export async function askFirmware(target: BenchTarget): Promise<FirmwareSays> {
  for (const step of ["load", "find", "permission", "kernelDriver", "open"] as const)
    await target[step]();
  const bus = requireOwn(await target.drive());
  const deadline = deadlineIn(target.clock, ANSWER_MS);
  const { minFrequencyHz, maxFrequencyHz } = bus.capabilities;
  return {
    adapter: bus.chip.name,
    facts: bus.firmware.facts,
    minFrequencyHz,
    maxFrequencyHz,
    counters: await bus.firmware.counters(deadline),
    deadman: await bus.deadman?.beat(deadline),
  };
}

function requireOwn(adapter: OpenedAdapter): AdapterCardBus {
  if (pollsCard(adapter)) return adapter;
  throw new UsageError(`this ${adapter.chip.name} does not run the project's own firmware`, {
    hint: "a Raspberry Pi Pico, an Arduino or an EK-LM3S6965 can: mmcpstore firmware flash",
  });
}
