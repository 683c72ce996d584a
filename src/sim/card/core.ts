import { crc16 } from "../../util/crc.js";
import { toError } from "../../util/errors.js";
import type { Cells } from "./cells.js";
import { R1, R2, TOKEN } from "./codes.js";
import { Counters } from "./counters.js";
import { type CsdFacts, csdFacts, registerField } from "./csd.js";
import { FaultPlan } from "./faults.js";
import { SECTOR } from "./flash.js";
import type { CardModelOptions, Latency, Quirk } from "./options.js";
import { Output } from "./output.js";
import type { CardRegisters } from "./registers.js";
import type { CoreState } from "./state.js";
import { ViolationLog, type ViolationRule } from "./violations.js";

const CRC_BYTES = 2;
const WRONG_CRC = 0x0420;
const LOCKED_PASSWORD: readonly number[] = [...Buffer.from("mmcpstore")];
const STATUS_OF_TOKEN: Readonly<Record<number, number>> = {
  1: R2.error,
  2: R2.controller,
  4: R2.ecc,
  8: R2.outOfRange,
};

/** What a card does apart from telling bytes, frames and commands apart: answers, blocks, busy, addresses. */
export class Core {
  readonly options: CardModelOptions;
  readonly registers: CardRegisters;
  readonly facts: CsdFacts;
  readonly cells: Cells;
  readonly out: Output = new Output();
  readonly log: ViolationLog = new ViolationLog();
  readonly counters: Counters = new Counters();
  readonly faults: FaultPlan = new FaultPlan();
  readonly sectorCount: number;
  state: CoreState;
  /** The block being received, its CRC included. */
  readonly inbox: Uint8Array = new Uint8Array(2 * SECTOR + CRC_BYTES);
  selected = false;
  nowUs = 0;
  clockedBytes = 0;
  /** The store behind the cells failed: the card reported an error of its own. */
  storeError: Error | undefined;
  readonly #quirks: ReadonlySet<Quirk>;

  constructor(options: CardModelOptions, registers: CardRegisters, cells: Cells) {
    this.options = options;
    this.registers = registers;
    this.facts = csdFacts(registers.csd, options.kind === "mmc");
    this.cells = cells;
    this.#quirks = new Set(options.quirks);
    this.sectorCount = cells.flash.sectorCount;
    const password = options.locked ? LOCKED_PASSWORD : [];
    this.state = this.poweredUp({ password, csd: registers.csd.slice(), protectedGroups: [] });
  }

  /** After power-up; what is kept in the card's own memory stays. */
  poweredUp(kept: Pick<CoreState, "password" | "csd" | "protectedGroups"> = this.state): CoreState {
    return {
      password: kept.password,
      csd: kept.csd,
      protectedGroups: kept.protectedGroups,
      locked: kept.password.length > 0,
      power: true,
      spi: false,
      ready: false,
      dead: false,
      crcOn: this.has("crc-always"),
      app: false,
      highSpeed: false,
      blockLength: this.byteAddressed ? 1 << this.facts.readBlockLength : SECTOR,
      startUpBytes: 0,
      resets: 0,
      initStartUs: undefined,
      hostSupportsHc: false,
      cmd8Passed: false,
      stalled: false,
      receiving: undefined,
      reading: undefined,
      sending: false,
      busy: undefined,
      eraseStart: undefined,
      eraseEnd: undefined,
      status: 0,
      wellWritten: 0,
      preErased: 0,
      blockCount: undefined,
      cmd59Failed: false,
      r1Once: 0,
    };
  }

  has(quirk: Quirk): boolean {
    return this.#quirks.has(quirk);
  }

  get isMmc(): boolean {
    return this.options.kind === "mmc";
  }

  get byteAddressed(): boolean {
    return this.isMmc || this.options.kind === "sdsc";
  }

  /** SD 2.00 and later, by its own SCR: CMD8 is known. */
  get version2(): boolean {
    return !this.isMmc && ((this.registers.scr[0] as number) & 0xf) >= 2;
  }

  /** There is a card, with power, that speaks. */
  get listens(): boolean {
    return this.state.power && !this.state.dead && !this.has("absent");
  }

  violation(rule: ViolationRule, what: string): void {
    this.log.add(rule, this.clockedBytes, what);
  }

  /** Queues R1 and what follows it, NCR bytes from now; every R1 carries the idle bit until initialisation is over. */
  respond(bits: number, extra: readonly number[] = []): void {
    this.out.fill(this.has("idle-c0") ? 0xc0 : 0xff, this.options.ncr);
    const idle = this.state.ready ? 0 : R1.idle;
    this.out.bytes(Uint8Array.of(bits | idle | this.state.r1Once, ...extra));
    this.state.r1Once = 0;
  }

  /** Queues a register behind what is queued. */
  sendRegister(data: Uint8Array): void {
    this.state.sending = true;
    this.out.wait(this.options.registerNac, this.nowUs);
    const packet = new Uint8Array(data.length + 1 + CRC_BYTES);
    packet.set(data, 1);
    this.#sendPacket(packet, data.length, false);
  }

  /** Queues a block of the cells, and `gap` bytes of FF behind it; false if an error token goes instead. */
  sendBlock(address: number, length: number, gap: number): boolean {
    const packet = new Uint8Array(length + 1 + CRC_BYTES + gap);
    const sector = Math.floor(address / SECTOR);
    const token = this.#readInto(packet.subarray(1, length + 1), address);
    if (token !== undefined) {
      this.sendErrorToken(token);
      return false;
    }
    packet.fill(0xff, length + 1 + CRC_BYTES);
    this.counters.blocksRead++;
    this.#sendPacket(packet, length, this.faults.take("read-crc", sector) !== undefined);
    return true;
  }

  sendErrorToken(token: number): void {
    this.state.status |= STATUS_OF_TOKEN[token] ?? 0;
    this.out.bytes(Uint8Array.of(token));
  }

  #sendPacket(packet: Uint8Array, length: number, spoiled: boolean): void {
    packet[0] = TOKEN.block;
    const wrong = spoiled || this.has("crc-errors") ? WRONG_CRC : 0;
    const crc = crc16(packet, 1, length + 1) ^ wrong;
    packet[length + 1] = crc >> 8;
    packet[length + 2] = crc & 0xff;
    this.out.bytes(packet);
  }

  /** Bytes of the cells, wherever they begin; an error token where they cannot be read. */
  #readInto(into: Uint8Array, address: number): number | undefined {
    const end = address + into.length;
    for (let at = address; at < end; ) {
      const sector = Math.floor(at / SECTOR);
      const next = Math.min(end, (sector + 1) * SECTOR);
      const fault = this.faults.take("read-error", sector);
      if (fault !== undefined) return fault.token;
      const part = into.subarray(at - address, next - address);
      if (!this.guard(() => this.#readSector(sector, at - sector * SECTOR, part)))
        return TOKEN.controllerError;
      at = next;
    }
    return undefined;
  }

  #readSector(sector: number, offset: number, into: Uint8Array): void {
    this.counters.sectorRead(sector);
    if (into.length === SECTOR) {
      this.cells.read(sector, into);
      return;
    }
    const whole = new Uint8Array(SECTOR);
    this.cells.read(sector, whole);
    into.set(whole.subarray(offset, offset + into.length));
  }

  /** Runs what touches the store; a failure of it is the card's error, not the simulator's. */
  guard(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      this.storeError ??= toError(error);
      this.state.status |= R2.error;
      return false;
    }
  }

  startBusy(latency: Latency): void {
    const untilUs = "us" in latency ? this.nowUs + latency.us : 0;
    this.state.busy = { bytesLeft: "bytes" in latency ? latency.bytes : 0, untilUs };
  }

  /** Busy is over as far as time goes; `bytesLeft` is counted by who clocks. */
  get busyOver(): boolean {
    const { busy } = this.state;
    return busy !== undefined && busy.bytesLeft <= 0 && this.nowUs >= busy.untilUs;
  }

  endBusy(): void {
    this.state.busy = undefined;
    this.guard(() => this.cells.commit(this.clockedBytes));
  }

  /** Byte address of a command's argument. */
  addressOf(argument: number): number {
    return this.byteAddressed ? argument : argument * SECTOR;
  }

  /** R1 error bits of an access of `length` bytes at a byte address: it must lie within one block of the CSD, and on the card. */
  accessErrors(address: number, length: number): number {
    const unit = 1 << this.facts.readBlockLength;
    if (Math.floor(address / unit) !== Math.floor((address + length - 1) / unit)) return R1.address;
    return address + length > this.sectorCount * SECTOR ? R1.parameter : 0;
  }

  /** Wholly, by its CSD or because the image is read-only. */
  get writeProtected(): boolean {
    return this.cells.flash.readOnly || registerField(this.state.csd, 13, 12) !== 0;
  }

  protectGroupOf(sector: number): number {
    return Math.floor(sector / this.facts.protectSectors);
  }

  isProtected(sector: number): boolean {
    const groups = this.state.protectedGroups;
    return (
      this.writeProtected || (groups.length > 0 && groups.includes(this.protectGroupOf(sector)))
    );
  }

  /** Ends whatever transfer runs: sent blocks, streams, blocks awaited. */
  dropTransfer(): void {
    this.state.reading = undefined;
    this.state.sending = false;
    this.state.receiving = undefined;
    this.out.clear();
  }

  /** An open CMD25 ends: what ACMD23 announced and was not written is undefined, here erased. */
  endReceiving(): void {
    const { receiving, preErased } = this.state;
    this.state.receiving = undefined;
    this.state.preErased = 0;
    this.cells.announce(undefined);
    const left = preErased - this.state.wellWritten;
    if (receiving?.what !== "multi" || left <= 0) return;
    const sector = receiving.address / SECTOR;
    const count = Math.min(this.sectorCount - sector, left);
    if (count > 0) this.cells.startErase({ sector, count }, this.clockedBytes);
  }
}
