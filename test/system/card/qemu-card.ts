import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";

/** Cortex-M3 image: initial SP, reset vector, then `wfi; b .-2`. The machine idles; we are its only bus master. */
const IDLE_FIRMWARE = Buffer.from([0x00, 0x10, 0x00, 0x20, 0x09, 0, 0, 0, 0x30, 0xbf, 0xfd, 0xe7]);

/** Registers of the LM3S6965 (data sheet chapters 6, 8, 14). */
const REGISTER = {
  rcgc1: 0x400fe104,
  rcgc2: 0x400fe108,
  gpioDCs: 0x40007004,
  gpioDDir: 0x40007400,
  gpioDDen: 0x4000751c,
  ssiCr0: 0x40008000,
  ssiCr1: 0x40008004,
  ssiData: 0x40008008,
  ssiCpsr: 0x40008010,
} as const;

const SSI0_CLOCK = 1 << 4;
const GPIOD_CLOCK = 1 << 3;
/** A batch's text must fit into a pipe's 64 KiB both ways. */
const BATCH = 512;

/** QEMU's own SD card (`ssi-sd` on the board lm3s6965evb), one SPI byte at a time through the qtest protocol. */
export class QemuCard implements SpiDevice {
  readonly #qemu: ChildProcess;
  readonly #dir: string;
  readonly #send: number;
  readonly #receive: number;
  readonly #kill: () => void;
  #text = "";
  #closed = false;

  private constructor(qemu: ChildProcess, dir: string, pipes: { send: number; receive: number }) {
    this.#qemu = qemu;
    this.#dir = dir;
    this.#send = pipes.send;
    this.#receive = pipes.receive;
    this.#kill = () => void qemu.kill("SIGKILL");
    process.once("exit", this.#kill);
    this.#setUp();
  }

  /** @param image a file of 64 MiB, 2 GiB (SDSC) or 4 GiB (SDHC); QEMU writes to it */
  static open(image: string): QemuCard {
    const dir = mkdtempSync(join(tmpdir(), "mmcpstore-qtest-"));
    const pipe = join(dir, "qtest");
    execFileSync("mkfifo", [`${pipe}.in`, `${pipe}.out`]);
    writeFileSync(join(dir, "idle.bin"), IDLE_FIRMWARE);
    const qemu = spawn("qemu-system-arm", QemuCard.#arguments(dir, image), { stdio: "ignore" });
    const pipes = { send: openSync(`${pipe}.in`, "w"), receive: openSync(`${pipe}.out`, "r") };
    return new QemuCard(qemu, dir, pipes);
  }

  static #arguments(dir: string, image: string): string[] {
    return [
      ..."-M lm3s6965evb -accel tcg -display none -monitor none -serial none -qtest-log /dev/null".split(
        " ",
      ),
      "-kernel",
      join(dir, "idle.bin"),
      "-qtest",
      `pipe:${join(dir, "qtest")}`,
      "-drive",
      `if=sd,format=raw,file=${image}`,
    ];
  }

  #setUp(): void {
    this.#writeRegister(REGISTER.rcgc1, SSI0_CLOCK);
    this.#writeRegister(REGISTER.rcgc2, GPIOD_CLOCK);
    this.#writeRegister(REGISTER.gpioDDir, 1);
    this.#writeRegister(REGISTER.gpioDDen, 1);
    this.#writeRegister(REGISTER.ssiCr0, 7);
    this.#writeRegister(REGISTER.ssiCpsr, 2);
    this.#writeRegister(REGISTER.ssiCr1, 2);
    this.setCs("high");
  }

  setCs(level: "high" | "low"): void {
    this.#writeRegister(REGISTER.gpioDCs, level === "high" ? 1 : 0);
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    _timing: ByteTiming,
  ): void {
    for (let at = 0; at < length; at += BATCH) {
      this.#exchangeBatch(mosi, miso, at, Math.min(length, at + BATCH));
    }
  }

  #exchangeBatch(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    from: number,
    to: number,
  ): void {
    let script = "";
    for (let at = from; at < to; at++) {
      script += `writel ${REGISTER.ssiData} ${mosi?.[at] ?? 0xff}\nreadl ${REGISTER.ssiData}\n`;
    }
    writeSync(this.#send, script);
    for (let at = from; at < to; at++) {
      this.#line();
      const byte = Number(this.#line().split(" ")[1]) & 0xff;
      if (miso !== undefined) miso[at] = byte;
    }
  }

  /** QEMU's card cannot be looked at without clocking it; who only reads the pins sees the pull-up. */
  peek(): number {
    return 0xff;
  }

  #writeRegister(address: number, value: number): void {
    writeSync(this.#send, `writel ${address} ${value}\n`);
    this.#line();
  }

  /** The next answer; lines that are not answers (`IRQ ...`) are passed over. */
  #line(): string {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end < 0) {
        this.#text += this.#more();
        continue;
      }
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      if (line.startsWith("OK")) return line;
      if (line.startsWith("FAIL") || line.startsWith("ERR")) throw new Error(`qtest: ${line}`);
    }
  }

  #more(): string {
    const buffer = Buffer.alloc(1 << 16);
    const count = readSync(this.#receive, buffer);
    if (count === 0) throw new Error("QEMU has gone");
    return buffer.toString("latin1", 0, count);
  }

  /** Ends QEMU; what the card accepted is in the image. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const gone = new Promise((resolve) => this.#qemu.once("exit", resolve));
    this.#qemu.kill("SIGTERM");
    closeSync(this.#send);
    closeSync(this.#receive);
    await gone;
    process.off("exit", this.#kill);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
