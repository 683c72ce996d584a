import type { BridgeFirmware } from "../../../spi/adapter-card-bus.js";
import type { CardBusCapabilities } from "../../../spi/card-bus.js";
import { isFinal } from "../../../spi/engine-errors.js";
import type { Clock } from "../../../util/clock.js";
import type { Deadline } from "../../../util/deadline.js";
import { toError } from "../../../util/errors.js";
import type { Log } from "../../../util/log.js";
import { decodeStats, type SdxInfo, targetName } from "./codec.js";
import { SdxDeadman } from "./deadman.js";
import { deviceMs } from "./device-deadline.js";
import { SDX } from "./protocol.js";
import { type SdxSession, unexpected, valueSet } from "./session.js";

export interface SdxDeviceParts {
  readonly session: SdxSession;
  readonly log: Log;
  /** What the line moves each way, where it is known to be slow. */
  readonly bytesPerSecond: number;
  /** Deadlines on the device are rounded up, so that a replay asks for the same. */
  readonly coarse: boolean;
  /** Behind the session: plain serprog puts the pins away, and the port is closed. */
  readonly putAway: (deadline: Deadline) => Promise<void>;
  readonly closePort: () => Promise<void>;
}

/** A device with a session, whoever uses its card. */
export class SdxDevice {
  readonly session: SdxSession;
  readonly chip: { readonly name: string };
  readonly capabilities: CardBusCapabilities;
  readonly firmware: BridgeFirmware;
  readonly clock: Clock;
  readonly #parts: SdxDeviceParts;
  #closing: Promise<void> | undefined;

  constructor(parts: SdxDeviceParts) {
    const { session, bytesPerSecond } = parts;
    this.#parts = parts;
    this.session = session;
    this.clock = session.clock;
    const { info } = session;
    this.chip = { name: `mmcpstore bridge (${targetName(info.target)})` };
    this.capabilities = {
      maxBlocks: Number.POSITIVE_INFINITY,
      minFrequencyHz: info.minHz,
      maxFrequencyHz: info.maxHz,
      hardwareWait: false,
      bytesPerSecond,
    };
    this.firmware = firmwareOf(session, info);
  }

  /** ms that the device may take, so that its answer is here by the deadline. */
  deviceMs(deadline: Deadline): number {
    return deviceMs(this.clock, deadline, this.#parts.coarse);
  }

  /** Undefined: it has none. */
  get deadman(): SdxDeadman | undefined {
    const { info } = this.session;
    return info.deadman ? new SdxDeadman(this.session) : undefined;
  }

  /** CS high, session left, pins let go, port closed. Idempotent. */
  close(deadline: Deadline): Promise<void> {
    this.#closing ??= this.#close(deadline);
    return this.#closing;
  }

  async #close(deadline: Deadline): Promise<void> {
    const { session, putAway, closePort, log } = this.#parts;
    try {
      valueSet(await session.control(SDX.RELEASE, 0, deadline), SDX.RELEASE);
      await session.leave(deadline);
      await putAway(deadline);
    } catch (error) {
      if (!isFinal(error))
        log.debug({ error: toError(error).message }, "the adapter could not be left in order");
    } finally {
      await closePort();
    }
  }
}

function firmwareOf(session: SdxSession, info: SdxInfo): BridgeFirmware {
  const { window, maxPayload, maxBlockLength, powerSwitch, deadmanBytes } = info;
  return {
    facts: {
      target: targetName(info.target),
      protocolVersion: info.version,
      window,
      maxPayload,
      maxBlockLength,
      powerSwitch,
      deadmanBytes: info.deadman ? deadmanBytes : 0,
    },
    counters: async (deadline) => {
      const request = { opcode: SDX.STATS, payload: new Uint8Array(0), repeat: "always" } as const;
      const reply = await session.run(request, deadline);
      const stats = decodeStats(reply.payload);
      if (stats === undefined) throw unexpected("SDX_STATS", reply);
      return stats;
    },
  };
}
