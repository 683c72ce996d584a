import { describe, expect, it } from "@jest/globals";
import { PortConsole } from "../../src/console/serial-source.js";
import { SimClock } from "../../src/sim/clock.js";
import { TransportError } from "../../src/transport/types.js";
import type { ErrorCode } from "../../src/util/errors.js";
import { FakePort } from "./fake-port.js";

/** A port that can be opened again and again; each opening is a {@link FakePort}, or the error that is due. */
class Bench {
  readonly clock = new SimClock();
  readonly ports: FakePort[] = [];
  readonly failures: ErrorCode[] = [];
  readonly heard: string[] = [];

  readonly open = async (): Promise<FakePort> => {
    const code = this.failures.shift();
    if (code !== undefined) throw new TransportError(code, code);
    const port = new FakePort(this.clock);
    this.ports.push(port);
    return port;
  };

  /** Hears all there is; `after` runs when so many things have been heard. */
  async hear(after: Readonly<Record<number, (console: PortConsole) => unknown>>): Promise<void> {
    const console = await PortConsole.open(this.open, this.clock);
    after[0]?.(console);
    for await (const piece of console) {
      this.heard.push(piece instanceof Uint8Array ? Buffer.from(piece).toString() : piece.kind);
      await after[this.heard.length]?.(console);
    }
  }

  port(at: number): FakePort {
    return this.ports[at] as FakePort;
  }
}

describe("a console on a serial port", () => {
  it("is heard for ever, through minutes of silence", async () => {
    const bench = new Bench();
    const later = (text: string): void =>
      void bench.clock.timer(600e6, () => bench.port(0).say(text));
    await bench.hear({ 0: () => later("a"), 1: () => later("b"), 2: (console) => console.close() });
    expect(bench.heard).toEqual(["a", "b"]);
    expect(bench.clock.nowUs()).toBeGreaterThanOrEqual(1200e6);
    expect(bench.port(0).closes).toBe(1);
  });

  it("that vanishes is waited for, however it is missing, and heard again", async () => {
    const bench = new Bench();
    await bench.hear({
      0: () => bench.port(0).say("before"),
      1: () => bench.port(0).vanish(),
      2: () => {
        bench.failures.push(
          "TRANSPORT_NOT_FOUND",
          "TRANSPORT_ACCESS",
          "TRANSPORT_BUSY",
          "TRANSPORT_FAULT",
          "TRANSPORT_DISCONNECTED",
          "TRANSPORT_TIMEOUT",
        );
      },
      3: () => bench.port(1).say("after"),
      4: (console) => console.close(),
    });
    expect(bench.heard).toEqual(["before", "gone", "back", "after"]);
    expect(bench.ports.map(({ closes }) => closes)).toEqual([1, 1]);
  });

  it("what came before it vanished is heard first", async () => {
    const bench = new Bench();
    const lastWords = (): void => {
      bench.port(0).say("last words");
      bench.port(0).vanish();
    };
    await bench.hear({ 0: lastWords, 2: (console) => console.close() });
    expect(bench.heard).toEqual(["last words", "gone"]);
  });

  it("that cannot be opened the first time is an error", async () => {
    const bench = new Bench();
    bench.failures.push("TRANSPORT_NOT_FOUND");
    await expect(bench.hear({})).rejects.toMatchObject({ code: "TRANSPORT_NOT_FOUND" });
  });

  it("that fails in another way than by vanishing is an error, also when it comes back", async () => {
    const bench = new Bench();
    const broken = new TransportError("TRANSPORT_FAULT", "broken");
    await expect(bench.hear({ 0: () => bench.port(0).fail(broken) })).rejects.toBe(broken);
    const other = new Bench();
    const vanish = (): void => {
      other.port(0).vanish();
      other.failures.push("TRANSPORT_PACKAGE");
    };
    await expect(other.hear({ 0: vanish })).rejects.toMatchObject({ code: "TRANSPORT_PACKAGE" });
  });

  it("closed while it waits for bytes ends", async () => {
    const bench = new Bench();
    await bench.hear({
      0: (console) => void bench.clock.timer(1e6, () => void console.close()),
    });
    expect([bench.heard, bench.port(0).closes]).toEqual([[], 1]);
  });

  it("closed while it is away ends, and leaves no port open", async () => {
    const bench = new Bench();
    const vanish = (console: PortConsole): void => {
      bench.port(0).vanish();
      bench.clock.timer(100_000, () => void console.close());
    };
    await bench.hear({ 0: vanish });
    expect(bench.heard).toEqual(["gone"]);
    for (const { closes } of bench.ports) expect(closes).toBeGreaterThan(0);
  });
});
