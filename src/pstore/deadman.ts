import type { DeadmanPort, DeadmanStatus } from "../block/deadman.js";
import type { Deadline } from "../util/deadline.js";
import { UsageError } from "../util/errors.js";
import type { ArmedRecords, PanicPlan, PanicRecord } from "./panic.js";

export interface DeadmanOptions {
  /** Silence of this process after which it is written, ms. */
  readonly heartbeatMs: number;
  /** For the writing, ms. */
  readonly writeMs: number;
}

/** A record that the adapter writes by itself when this process has fallen silent. */
export class DeadmanRecord {
  /** What will have been written. */
  readonly plan: PanicPlan;
  readonly #port: DeadmanPort;

  private constructor(port: DeadmanPort, plan: PanicPlan) {
    this.#port = port;
    this.plan = plan;
  }

  /**
   * Gives the adapter a record for the zone that is armed, and starts its clock. Any request to the adapter is a sign of life; a process
   * that ends without {@link disarm} is not.
   * @param device the one that `armed` was made of
   * @throws UsageError if its adapter cannot do that; BridgeError BRIDGE_UNSUPPORTED if the record does not fit its store
   */
  static async arm(
    device: { readonly deadman?: DeadmanPort },
    armed: Pick<ArmedRecords, "plan">,
    record: PanicRecord,
    options: DeadmanOptions,
    deadline: Deadline,
  ): Promise<DeadmanRecord> {
    const { deadman } = device;
    if (deadman === undefined) throw noDeadman();
    const plan = armed.plan(record);
    await deadman.arm({ ...plan, ...options }, deadline);
    return new DeadmanRecord(deadman, plan);
  }

  /** A sign of life; gives what has become of the record. */
  beat(deadline: Deadline): Promise<DeadmanStatus> {
    return this.#port.beat(deadline);
  }

  /** It is not written any more. */
  disarm(deadline: Deadline): Promise<void> {
    return this.#port.disarm(deadline);
  }
}

function noDeadman(): UsageError {
  return new UsageError("this device cannot write a record by itself", {
    hint: "an adapter with the project's own firmware can: -d serprog:PORT, or sim:card.img?bridge=mmcpstore",
  });
}
