import type { Deadline } from "../util/deadline.js";
import type { AdapterBridge } from "./bridge.js";
import type { CardBus } from "./card-bus.js";

/** What the firmware of a bridge says of itself. */
export interface FirmwareFacts {
  /** `rp2040`, as the folder of its sources is called. */
  readonly target: string;
  /** Of the protocol between it and the host. */
  readonly protocolVersion: number;
  /** Blocks of a write that may be on their way beyond those that it says it has taken; 0: any number. */
  readonly window: number;
  readonly maxBlockLength: number;
  /** Longest request that it takes, without head and CRC. */
  readonly maxPayload: number;
  /** It can switch the card's power. */
  readonly powerSwitch: boolean;
  /** Bytes of its store for a dead-man record; 0: it has none. */
  readonly deadmanBytes: number;
}

/** What the firmware counted since its start. */
export interface FirmwareCounters {
  readonly uptimeMs: number;
  readonly frames: number;
  readonly damagedFrames: number;
  readonly repeatedReplies: number;
  readonly bytesFromHost: number;
  readonly bytesToHost: number;
  readonly spiBytes: number;
  readonly pollingBytes: number;
  readonly blocksRead: number;
  readonly blocksWritten: number;
  readonly bytesLost: number;
}

/** The side of such a bridge that is not about commands and blocks. Requests wait for those of the card bus, and those for them. */
export interface BridgeFirmware {
  readonly facts: FirmwareFacts;
  counters(deadline: Deadline): Promise<FirmwareCounters>;
}

/** A bridge that polls the card itself, opened: the project's own firmware. */
export interface AdapterCardBus extends CardBus {
  readonly offers: "card-bus";
  readonly chip: { readonly name: string };
  readonly firmware: BridgeFirmware;
  /** Times that the host could send nothing more until something came. */
  readonly roundTrips: number;
  preempt(): AdapterCardBus;
}

/** An adapter, opened: raw SPI, or one that polls the card itself. */
export type OpenedAdapter = AdapterBridge | AdapterCardBus;

export function pollsCard(adapter: OpenedAdapter): adapter is AdapterCardBus {
  return "offers" in adapter;
}
