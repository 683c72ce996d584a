import type { Deadline } from "../util/deadline.js";
import type { DeadmanUnit } from "./deadman.js";

/** R1 only, R1 then busy, R1 + 1 byte (CMD13), R1 + OCR (CMD58), R1 + CMD8's echo (SD Physical Layer 7.3.2). */
export type ResponseKind = "R1" | "R1b" | "R2" | "R3" | "R7";

/** One command with its argument. ACMDs are preceded by CMD55 by the bus. */
export interface CardCommand {
  /** 0..63 */
  readonly index: number;
  readonly app?: boolean;
  /** 32 bits */
  readonly argument: number;
  readonly response: ResponseKind;
}

export interface CardResponse {
  /** R1 byte, bit 7 clear; of an ACMD that of the ACMD itself, or of CMD55 if that was refused. */
  readonly r1: number;
  /** R2: 1 byte; R3 and R7: 4 bytes; none if R1 reports an error or the card sent none. */
  readonly extra: Uint8Array;
}

/** Blocks from the card: one (`CMD17`, registers) or many (`CMD18`, ended by CMD12). */
export interface ReceiveRequest {
  readonly command: CardCommand;
  readonly blockLength: number;
  readonly blockCount: number;
  /** `blockLength * blockCount` bytes; blocks before a failing one are filled in. */
  readonly into: Uint8Array;
  /** True: the card goes on until CMD12, which the bus sends, also after a failure. */
  readonly openEnded: boolean;
}

/** Blocks to the card: one (`CMD24`) or many (`CMD25`, ended by the stop token). */
export interface SendRequest {
  readonly command: CardCommand;
  readonly blockLength: number;
  readonly data: Uint8Array;
  readonly openEnded: boolean;
}

/** A transfer that went to its end; anything else is thrown as CardError with `details.blocksDone`. */
export interface TransferResult {
  readonly r1: number;
  readonly blocksDone: number;
}

export interface CardBusCapabilities {
  /** Blocks that one request may carry; Infinity where streams are not bounded. */
  readonly maxBlocks: number;
  readonly minFrequencyHz: number;
  readonly maxFrequencyHz: number;
  readonly hardwareWait: boolean;
  /** Absent: it can clock while CS is high, as a card may need it to start up. */
  readonly noStartUpClocks?: true;
  /** What the adapter moves each way in bytes a second, where that is less than the clock; absent: the clock is the limit. */
  readonly bytesPerSecond?: number;
}

/** What whoever recovers a card knows of it. */
export interface RecoveryKnowledge {
  /** CRC checking was proved to be on, and the card has had power ever since: a block with a wrong CRC16 does no harm. */
  readonly crcProved: boolean;
  /** A read may be open, whose block may take 100 ms to come; absent: what the bus knows of its own. */
  readonly mayBeReading?: boolean;
}

/** Steps of a recovery, as they follow each other; those that repeat are named once in a row. */
export type RecoveryStep =
  | "bridge"
  | "drain"
  | "busy"
  | "access"
  | "CMD12"
  | "stop-token"
  | "probe"
  | "poison";

/** What {@link CardBus.recover} did and found. */
export interface RecoveryReport {
  /** `ready`: the card answers in transfer state; `reinitialise`: it answers, but needs CMD0 and identification. */
  readonly outcome: "ready" | "reinitialise" | "silent" | "busy";
  /** R1 and R2 of the last probe, if it answered. */
  readonly status?: readonly [number, number];
  readonly steps: readonly RecoveryStep[];
  /** All but {@link waitBytes}. */
  readonly bytesClocked: number;
  /** Clocked while the card was busy, or might have been taking its access time. */
  readonly waitBytes: number;
}

/**
 * Speaks to a card in commands and blocks: no tokens, no CS, no framing. Implemented over {@link SpiBridge} by
 * `card/spi-mode`, and directly by a bridge that polls the card itself.
 *
 * CRC7 and CRC16 are always computed and the CRC16 of everything received is always checked, whatever
 * the card was told. Every failure path ends the card's transfer (CMD12 or stop token, busy waited for) or leaves
 * `stateKnown` false, which makes the next user call {@link recover} first.
 *
 * Throws CardError: CARD_NO_RESPONSE (no R1), CARD_CRC (data CRC wrong, or the card says so in R1 or in a data
 * response, or what came makes no sense: garbage for a token or data response, a hardware wait that lost the byte border), CARD_ERROR (other R1 error bits where a transfer needs none, or an error token), CARD_WRITE_REJECTED
 * (data response 0D), CARD_TIMEOUT (no token), CARD_BUSY (busy past the deadline); and what the bridge throws.
 */
export interface CardBus {
  readonly capabilities: CardBusCapabilities;
  /** Absent where the bridge has no firmware that writes a record by itself. */
  readonly deadman?: DeadmanUnit;
  /** Switches the card's power; off lets all pins go, so that none of them supplies it. Absent without a switch. */
  readonly setPower?: (on: boolean, deadline: Deadline) => Promise<void>;
  /** False after a failure that left the card in an unknown state. */
  readonly stateKnown: boolean;
  /** Returns the frequency really set. */
  configure(settings: { readonly frequencyHz: number }): Promise<{ readonly frequencyHz: number }>;
  /** >= 74 clocks with CS and MOSI high (SD Physical Layer 6.4.1); `bytes` x 8 of them. */
  startUp(bytes: number, deadline: Deadline): Promise<void>;
  /** Error bits in R1 do not throw here: the caller knows which are right. Waits for ready before an ACMD and after R1b. */
  command(command: CardCommand, deadline: Deadline): Promise<CardResponse>;
  /** Sends a command with a wrong CRC7: how CRC checking is proved to be on. */
  probeCrc(command: CardCommand, deadline: Deadline): Promise<CardResponse>;
  receive(request: ReceiveRequest, deadline: Deadline): Promise<TransferResult>;
  send(request: SendRequest, deadline: Deadline): Promise<TransferResult>;
  /** Waits until the card is not busy. */
  wait(deadline: Deadline): Promise<void>;
  /** CS high and 8 clocks, so that the card lets go of MISO. Commands select it again by themselves. */
  release(deadline: Deadline): Promise<void>;
  /** Brings bridge and card back from any state to one that answers CMD13, without CMD0. */
  recover(deadline: Deadline, known?: RecoveryKnowledge): Promise<RecoveryReport>;
  /**
   * Takes the bus away from whoever uses it: their next transaction rejects with BLOCK_PREEMPTED, the one in flight is cancelled by
   * the first {@link recover} of the bus that is returned, which is the only one to go on with.
   */
  preempt(): CardBus;
  /** Releases the card and closes the bridge. */
  close(): Promise<void>;
}
