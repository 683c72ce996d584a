import type { DeadmanPlan, DeadmanState, DeadmanUnit } from "../../../spi/deadman.js";
import { BridgeError } from "../../../spi/errors.js";
import { viewOf } from "../../../util/bytes.js";
import { crc32 } from "../../../util/crc.js";
import type { Deadline } from "../../../util/deadline.js";
import type { SdxReply } from "./frames.js";
import { encodePlan, outcomeName } from "./plan.js";
import { SDX } from "./protocol.js";
import { type SdxSession, unexpected } from "./session.js";

const STATES = ["off", "armed", "fired"] as const;
/** Bytes of one part of the store, at most: a lost one is soon sent again. */
const MAX_PART_BYTES = 512;

/** The dead-man record of firmware (docs/SPEC.md 4.8). */
export class SdxDeadman implements DeadmanUnit {
  readonly storeBytes: number;
  readonly #session: SdxSession;

  constructor(session: SdxSession) {
    this.#session = session;
    this.storeBytes = session.info.deadmanBytes;
  }

  async arm(plan: DeadmanPlan, deadline: Deadline): Promise<DeadmanState> {
    const { store, planOffset } = encodePlan(plan);
    if (store.length > this.storeBytes) throw tooLarge(store.length, this.storeBytes);
    const room = this.#session.info.maxPayload - SDX.DEADMAN_LOAD_HEAD_BYTES;
    const length = Math.min(room, MAX_PART_BYTES);
    for (let at = 0; at < store.length; at += length)
      await this.#ask(encodeLoad(at, store.subarray(at, at + length)), deadline);
    return this.#ask(encodeArm(plan, store, planOffset), deadline);
  }

  beat(deadline: Deadline): Promise<DeadmanState> {
    return this.#ask(Uint8Array.of(SDX.DEADMAN_BEAT), deadline);
  }

  async clear(deadline: Deadline): Promise<void> {
    await this.#ask(Uint8Array.of(SDX.DEADMAN_CLEAR), deadline);
  }

  async #ask(payload: Uint8Array, deadline: Deadline): Promise<DeadmanState> {
    const request = { opcode: SDX.DEADMAN, payload, repeat: "always" } as const;
    return stateOf(await this.#session.run(request, deadline));
  }
}

function encodeLoad(offset: number, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(SDX.DEADMAN_LOAD_HEAD_BYTES + bytes.length);
  payload[0] = SDX.DEADMAN_LOAD;
  viewOf(payload).setUint32(1, offset, true);
  payload.set(bytes, SDX.DEADMAN_LOAD_HEAD_BYTES);
  return payload;
}

function encodeArm(plan: DeadmanPlan, store: Uint8Array, planOffset: number): Uint8Array {
  const payload = new Uint8Array(SDX.DEADMAN_ARM_BYTES);
  const view = viewOf(payload);
  view.setUint8(0, SDX.DEADMAN_ARM);
  view.setUint32(1, plan.heartbeatMs, true);
  view.setUint32(5, plan.writeMs, true);
  view.setUint32(9, store.length, true);
  view.setUint32(13, crc32(store), true);
  view.setUint32(17, planOffset, true);
  return payload;
}

/** @throws BridgeError BRIDGE_PROTOCOL, BRIDGE_UNSUPPORTED */
function stateOf(reply: SdxReply): DeadmanState {
  const { status, payload } = reply;
  if (status !== SDX.OK || payload.length !== SDX.DEADMAN_REPLY_BYTES)
    throw unexpected("SDX_DEADMAN", reply);
  const [number = 0, outcome = 0, stepsDone = 0, writesDone = 0] = payload;
  const state = STATES[number];
  const name = outcomeName(outcome);
  if (state === undefined || name === undefined) throw unexpected("SDX_DEADMAN", reply);
  return { state, outcome: name, stepsDone, writesDone, ms: viewOf(payload).getUint32(4, true) };
}

function tooLarge(bytes: number, storeBytes: number): BridgeError {
  return new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `the record needs ${bytes} bytes of the adapter's store, which has ${storeBytes}`,
    { details: { bytes, storeBytes }, hint: "give it a shorter log, or let it be compressed" },
  );
}
