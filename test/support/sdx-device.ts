import { encodeInfo, type SdxInfo } from "../../src/bridge/serprog/sdx/codec.js";
import { encodeCredit, encodePart, encodeReply } from "../../src/bridge/serprog/sdx/frames.js";
import { SDX } from "../../src/bridge/serprog/sdx/protocol.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import type { CardBus, ResponseKind } from "../../src/spi/card-bus.js";
import { viewOf } from "../../src/util/bytes.js";
import type { Clock, Timer } from "../../src/util/clock.js";
import { crc16 } from "../../src/util/crc.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { errorCode, isMmcpstoreError } from "../../src/util/errors.js";
import { createDirectBridge } from "./direct-bridge.js";

const ACK = 0x06;
const NAK = 0x15;
const KINDS: readonly ResponseKind[] = ["R1", "R1b", "R2", "R3", "R7"];
const NOTHING: Uint8Array = new Uint8Array(0);

export interface SdxDeviceOptions {
  readonly clock: Clock;
  readonly card: SpiDevice;
  readonly send: (bytes: Uint8Array) => void;
  readonly info?: Partial<SdxInfo>;
  /** Bytes that it answers SDX_INFO with instead: a stranger. */
  readonly stranger?: Uint8Array;
}

/** What the device keeps of the last request. */
interface Last {
  readonly sequence: number;
  readonly opcode: number;
  readonly status: number;
  readonly flags: number;
  readonly blocksDone: number;
  readonly reply: Uint8Array;
}

const NONE: Last = {
  sequence: 0,
  opcode: 0,
  status: 0,
  flags: 0,
  blocksDone: 0,
  reply: NOTHING,
};

/** The pause came, or the bytes made no sense. */
class Damage extends Error {}

/**
 * A device that keeps to firmware/protocol.h, for tests without a compiler: written from that file alone, with the card's side borrowed
 * from `card/spi-mode`. Bytes come by {@link receive}.
 */
export class SdxTestDevice {
  readonly info: SdxInfo;
  frames = 0;
  damaged = 0;
  repeated = 0;
  readonly opcodes: number[] = [];
  readonly #options: SdxDeviceOptions;
  readonly #bus: CardBus;
  readonly #bytes: number[] = [];
  #wake: (() => void) | undefined;
  #inSession = false;
  #nonce = 0;
  #sessions = 0;
  #last: Last = NONE;

  constructor(options: SdxDeviceOptions) {
    this.#options = options;
    const { clock, card } = options;
    const bridge = createDirectBridge({
      device: card,
      clock,
      roundTripUs: 1,
      frequencyHz: 400_000,
    });
    this.#bus = createSpiModeBus({ bridge, clock });
    this.info = {
      version: SDX.VERSION,
      target: SDX.TARGET_NATIVE,
      nonce: 0,
      powerSwitch: false,
      deadman: false,
      buses: SDX.BUS_BIT_SPI,
      window: 0,
      maxPayload: 1024,
      silenceMs: 10,
      deadmanBytes: 0,
      minHz: 100_000,
      maxHz: 25_000_000,
      maxBlockLength: 512,
      ...options.info,
    };
    void this.#loop();
  }

  receive(bytes: Uint8Array): void {
    this.#bytes.push(...bytes);
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  async #loop(): Promise<void> {
    for (;;) {
      const opcode = await this.#get();
      try {
        if (this.#inSession) await this.#inner(opcode);
        else await this.#outer(opcode);
      } catch (error) {
        if (!(error instanceof Damage)) throw error;
        this.damaged++;
        while ((await this.#getWithin(this.info.silenceMs)) !== undefined);
        this.#put(NAK);
      }
    }
  }

  async #outer(opcode: number): Promise<void> {
    const map = new Uint8Array(32);
    for (const known of [0, 1, 2, 3, 4, 5, 8, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x17, 0x18])
      map[known >> 3] = (map[known >> 3] as number) | (1 << (known & 7));
    map[0xa0 >> 3] = 0xff;
    const parameters: Record<number, number> = { 18: 1, 20: 4, 21: 1, 23: 1, 24: 1 };
    const replies: Record<number, Uint8Array> = {
      0: NOTHING,
      1: Uint8Array.of(1, 0),
      2: map,
      3: Uint8Array.from(Buffer.from("mmcpstore test".padEnd(16, "\0"))),
      4: Uint8Array.of(0xff, 0xff),
      5: Uint8Array.of(8),
      8: Uint8Array.of(0, 16, 0),
      17: Uint8Array.of(0, 16, 0),
      20: Uint8Array.of(0x80, 0x1a, 0x06, 0),
    };
    if (opcode === SDX.INFO) return this.#begin();
    if (opcode === 0x10) return this.#put(NAK, ACK);
    for (let left = parameters[opcode] ?? 0; left > 0; left--) await this.#get();
    const reply = replies[opcode] ?? (parameters[opcode] === undefined ? undefined : NOTHING);
    if (reply === undefined) this.#put(NAK);
    else this.#put(ACK, ...reply);
  }

  #begin(): void {
    if (this.#options.stranger !== undefined) {
      this.#put(...this.#options.stranger);
      return;
    }
    this.#inSession = true;
    this.#nonce = (0x1234 + ++this.#sessions * 257) & 0xffff;
    this.#last = NONE;
    this.#put(ACK, ...encodeInfo({ ...this.info, nonce: this.#nonce }));
  }

  async #inner(opcode: number): Promise<void> {
    if (opcode === 0) return this.#put(ACK);
    if (opcode === SDX.INFO) return this.#begin();
    if (opcode === 0x10) {
      if ((await this.#getWithin(SDX.LEAVE_MS)) !== undefined) throw new Damage();
      this.#inSession = false;
      return this.#put(NAK, ACK);
    }
    if (opcode < SDX.INFO || opcode > SDX.CONTROL) throw new Damage();
    const head = [opcode, await this.#must(), await this.#must(), await this.#must()];
    const [, sequence = 0, low = 0, high = 0] = head;
    const length = low + 256 * high;
    if (length > this.info.maxPayload) throw new Damage();
    const rest: number[] = [];
    while (rest.length < length + 2) rest.push(await this.#must());
    const frame = Uint8Array.from([...head, ...rest]);
    if (crc16(frame, 0, 4 + length, this.#nonce) !== viewOf(frame).getUint16(4 + length))
      throw new Damage();
    await this.#carryOut(opcode, sequence, frame.subarray(4, 4 + length));
  }

  async #carryOut(opcode: number, sequence: number, payload: Uint8Array): Promise<void> {
    this.frames++;
    this.opcodes.push(opcode);
    if (opcode === SDX.ABORT) return this.#abort(sequence, payload);
    if (opcode === SDX.STATS) return this.#reply(sequence, SDX.OK, new Uint8Array(SDX.STATS_BYTES));
    const isRepeated = this.#last.opcode !== 0 && sequence === this.#last.sequence;
    if (isRepeated && opcode !== SDX.READ) {
      this.repeated++;
      if (opcode === SDX.WRITE) for await (const _ of this.#parts(payload)) void _;
      return this.#put(...this.#last.reply);
    }
    if (!isRepeated && sequence !== ((this.#last.sequence + 1) & 0xff))
      return this.#reply(sequence, SDX.BAD_SEQUENCE, NOTHING);
    this.#last = { ...this.#last, sequence, opcode, status: SDX.ABORTED, flags: 0, blocksDone: 0 };
    if (opcode === SDX.CONTROL) return this.#control(sequence, payload);
    if (opcode === SDX.COMMAND) return this.#ended(sequence, await this.#command(payload));
    if (opcode === SDX.READ) return this.#ended(sequence, await this.#read(payload));
    return this.#ended(sequence, await this.#write(payload));
  }

  #ended(sequence: number, [status, r1, extra, blocks]: Outcome): void {
    const payload = new Uint8Array(SDX.RESULT_BYTES);
    payload[0] = r1;
    payload.set(extra, 1);
    payload[6] = this.#bus.stateKnown ? SDX.CARD_KNOWN : 0;
    viewOf(payload).setUint32(8, blocks, true);
    this.#reply(sequence, status, payload);
    this.#last = { ...this.#last, status, flags: payload[6] as number, blocksDone: blocks };
  }

  #reply(sequence: number, status: number, payload: Uint8Array): void {
    const reply = encodeReply({ sequence, status, payload }, this.#nonce);
    if (sequence === this.#last.sequence) this.#last = { ...this.#last, reply };
    this.#put(...reply);
  }

  async #command(payload: Uint8Array): Promise<Outcome> {
    const { command, deadline } = this.#decode(payload);
    const probe = (payload[6] as number) & SDX.WRONG_CRC;
    return this.#judge(async () => {
      const { r1, extra } = await this.#bus[probe ? "probeCrc" : "command"](command, deadline);
      return [SDX.OK, r1, extra, 0];
    });
  }

  async #read(payload: Uint8Array): Promise<Outcome> {
    const { command, deadline, blockLength, blocks, openEnded } = this.#decode(payload);
    const into = new Uint8Array(blockLength * blocks);
    return this.#judge(async () => {
      const request = { command, blockLength, blockCount: blocks, into, openEnded };
      const { r1 } = await this.#bus.receive(request, deadline);
      for (let index = 0; index < blocks; index++) {
        if (this.#bytes.length > 0) return [SDX.ABORTED, r1, NOTHING, index];
        this.#put(...encodePart(index & 0xff, into, index * blockLength, blockLength));
        await this.#options.clock.sleep(20);
      }
      return [SDX.OK, r1, NOTHING, blocks];
    });
  }

  async #write(payload: Uint8Array): Promise<Outcome> {
    const { command, deadline, blockLength, openEnded } = this.#decode(payload);
    const taken: Uint8Array[] = [];
    try {
      for await (const part of this.#parts(payload)) taken.push(part);
    } catch (error) {
      if (taken.length > 0) await this.#send(command, taken, blockLength, true, deadline);
      this.#last = {
        ...this.#last,
        status: SDX.DATA_LOST,
        flags: SDX.CARD_KNOWN,
        blocksDone: taken.length,
        reply: this.#lostReply(taken.length),
      };
      throw error;
    }
    return this.#send(command, taken, blockLength, openEnded, deadline);
  }

  #lostReply(blocks: number): Uint8Array {
    const payload = new Uint8Array(SDX.RESULT_BYTES);
    payload[6] = SDX.CARD_KNOWN;
    viewOf(payload).setUint32(8, blocks, true);
    return encodeReply({ ...this.#last, status: SDX.DATA_LOST, payload }, this.#nonce);
  }

  async #send(
    command: Parameters<CardBus["send"]>[0]["command"],
    taken: readonly Uint8Array[],
    blockLength: number,
    openEnded: boolean,
    deadline: Parameters<CardBus["send"]>[1],
  ): Promise<Outcome> {
    const data = Uint8Array.from(taken.flatMap((part) => [...part]));
    return this.#judge(async () => {
      const { r1 } = await this.#bus.send({ command, blockLength, data, openEnded }, deadline);
      return [SDX.OK, r1, NOTHING, taken.length];
    });
  }

  /** Data parts as they come, credited. */
  async *#parts(payload: Uint8Array): AsyncGenerator<Uint8Array> {
    const { blockLength, blocks } = this.#decode(payload);
    for (let index = 0; index < blocks; index++) {
      const part: number[] = [];
      while (part.length < 2 + blockLength + 2) part.push(await this.#must());
      const bytes = Uint8Array.from(part);
      const end = 2 + blockLength;
      const right = crc16(bytes, 2, end) === viewOf(bytes).getUint16(end);
      if (!right || bytes[0] !== SDX.DATA || bytes[1] !== (index & 0xff)) throw new Damage();
      if (this.info.window > 0) this.#put(...encodeCredit((index + 1) & 0xff));
      yield bytes.subarray(2, end);
    }
  }

  async #judge(work: () => Promise<Outcome>): Promise<Outcome> {
    try {
      return await work();
    } catch (error) {
      if (!isMmcpstoreError(error)) throw error;
      const blocks = Number(error.details["blocksDone"] ?? 0);
      const r1 = Number(error.details["r1"] ?? 0);
      return [STATUS[errorCode(error) ?? ""] ?? SDX.GARBAGE, r1, NOTHING, blocks];
    }
  }

  async #abort(sequence: number, payload: Uint8Array): Promise<void> {
    const answer = new Uint8Array(SDX.ABORT_REPLY_BYTES);
    const { sequence: last, opcode, status, flags, blocksDone } = this.#last;
    answer.set([last, opcode, status, flags]);
    viewOf(answer).setUint32(4, blocksDone, true);
    answer[9] = SDX.NO_R1;
    if ((payload[0] as number) & SDX.RECOVER) {
      const ms = viewOf(payload).getUint16(1, true);
      const crcProved = ((payload[0] as number) & SDX.CRC_PROVED) !== 0;
      const report = await this.#bus.recover(deadlineIn(this.#options.clock, ms), { crcProved });
      const outcomes = { ready: 1, reinitialise: 2, silent: 3, busy: 4 };
      answer[8] = outcomes[report.outcome];
      answer.set(report.status ?? [SDX.NO_R1, 0xff], 9);
      answer.set([2, SDX.STEP_BRIDGE, SDX.STEP_PROBE], 11);
    }
    this.#put(...encodeReply({ sequence, status: SDX.OK, payload: answer }, this.#nonce));
  }

  async #control(sequence: number, payload: Uint8Array): Promise<void> {
    const value = viewOf(payload).getUint32(1, true);
    const { clock } = this.#options;
    const answer = new Uint8Array(SDX.CONTROL_REPLY_BYTES);
    let set = value;
    if (payload[0] === SDX.SET_FREQUENCY)
      set = (await this.#bus.configure({ frequencyHz: value })).frequencyHz;
    else if (payload[0] === SDX.START_UP) await this.#bus.startUp(value, deadlineIn(clock, 1000));
    else if (payload[0] === SDX.RELEASE) await this.#bus.release(deadlineIn(clock, 1000));
    else if (payload[0] === SDX.WAIT_READY) await this.#bus.wait(deadlineIn(clock, value));
    viewOf(answer).setUint32(0, set, true);
    this.#reply(sequence, SDX.OK, answer);
  }

  #decode(payload: Uint8Array): Decoded {
    const view = viewOf(payload);
    const head = view.getUint8(0);
    const response = KINDS[view.getUint8(5) & 0x0f] ?? "R1";
    const ms = view.getUint16(7, true) + 65_536 * view.getUint8(9);
    const isTransfer = payload.length === SDX.TRANSFER_BYTES;
    return {
      command: {
        index: head & 0x3f,
        argument: view.getUint32(1, true),
        response,
        ...(head & SDX.APP_COMMAND ? { app: true } : {}),
      },
      deadline: deadlineIn(this.#options.clock, ms),
      openEnded: (view.getUint8(6) & SDX.OPEN_ENDED) !== 0,
      blockLength: isTransfer ? view.getUint16(10, true) : 0,
      blocks: isTransfer ? view.getUint32(12, true) : 0,
    };
  }

  #put(...bytes: number[]): void {
    this.#options.send(Uint8Array.from(bytes));
  }

  async #get(): Promise<number> {
    for (;;) {
      const byte = this.#bytes.shift();
      if (byte !== undefined) return byte;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #must(): Promise<number> {
    const byte = await this.#getWithin(this.info.silenceMs);
    if (byte === undefined) throw new Damage();
    return byte;
  }

  async #getWithin(ms: number): Promise<number | undefined> {
    const { clock } = this.#options;
    if (this.#bytes.length === 0) {
      let timer: Timer | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = clock.timer(ms * 1000, resolve);
      });
      timer?.cancel();
      this.#wake = undefined;
    }
    return this.#bytes.shift();
  }
}

type Outcome = readonly [status: number, r1: number, extra: Uint8Array, blocks: number];

interface Decoded {
  readonly command: Parameters<CardBus["command"]>[0];
  readonly deadline: Parameters<CardBus["command"]>[1];
  readonly openEnded: boolean;
  readonly blockLength: number;
  readonly blocks: number;
}

const STATUS: Readonly<Record<string, number>> = {
  CARD_NO_RESPONSE: SDX.NO_RESPONSE,
  CARD_ERROR: SDX.REFUSED,
  CARD_TIMEOUT: SDX.NO_TOKEN,
  CARD_CRC: SDX.GARBAGE,
  CARD_WRITE_REJECTED: SDX.WRITE_REJECTED,
  CARD_BUSY: SDX.BUSY,
};
