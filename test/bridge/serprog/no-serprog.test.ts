import { describe, expect, test } from "@jest/globals";
import { SERPROG } from "../../../src/bridge/serprog/codec.js";
import { openPlainSerprog } from "../../../src/bridge/serprog/driver.js";
import { SimClock } from "../../../src/sim/clock.js";
import { createSerprogModel, type SerprogBoardOptions } from "../../../src/sim/serprog/model.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { type SerialTransport, TransportError } from "../../../src/transport/types.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import type { MmcpstoreError } from "../../../src/util/errors.js";
import { type Peer, portTo } from "./fake-port.js";

const NOTHING: SpiDevice = {
  setCs: () => undefined,
  exchange: (_mosi, miso, length) => {
    miso?.fill(0xff, 0, length);
  },
  peek: () => 0xff,
};

async function failure(clock: SimClock, peer: Peer, start?: Peer): Promise<MmcpstoreError> {
  const transport = portTo(clock, peer, start);
  const outcome = await openPlainSerprog({ transport, clock }).then(
    () => undefined,
    (error: MmcpstoreError) => error,
  );
  expect(await transport.closed).toBeUndefined();
  if (outcome === undefined) throw new Error("it opened");
  return outcome;
}

const TEXT = Buffer.from("\r\nDebian GNU/Linux 12 board ttyS0\r\nboard login: ");

describe("a serial port that is no serprog programmer", () => {
  const talking: Peer = (_, answer) => answer(TEXT);
  test.each<[string, Peer, Peer | undefined, string]>([
    ["is silent", () => undefined, undefined, "stays silent"],
    ["echoes", (bytes, answer) => answer(bytes), undefined, "sends back what it is sent"],
    ["talks text when it is spoken to", talking, undefined, 'talks text ("Debian GNU/Linux 12'],
    [
      "acknowledges everything, as some chips do",
      (bytes, answer) => answer(new Uint8Array(bytes.length).fill(6)),
      undefined,
      "makes no sense",
    ],
    [
      "answers the wrong way round",
      (bytes, answer) => answer(Uint8Array.from({ length: bytes.length * 2 }, (_, at) => at)),
      undefined,
      "makes no sense",
    ],
  ])("%s", async (_, peer, start, message) => {
    const clock = new SimClock();
    const error = await failure(clock, peer, start);
    expect([error.code, error.message]).toEqual(["BRIDGE_SYNC", expect.stringContaining(message)]);
    expect(error.hint).toContain("serprog firmware");
    expect(clock.nowUs()).toBeLessThan(7e6);
  });

  test("talks without end", async () => {
    const clock = new SimClock();
    let stop = false;
    const chatter: Peer = (_, answer) => {
      if (stop) return;
      answer(TEXT);
      clock.timer(5000, () => chatter(TEXT, answer));
    };
    const error = await failure(clock, () => undefined, chatter);
    stop = true;
    expect([error.code, error.message]).toEqual(["BRIDGE_SYNC", expect.stringContaining("text")]);
    expect(clock.nowUs()).toBeLessThan(7e6);
  });

  test("takes nothing: a port whose flow control says no", async () => {
    const clock = new SimClock();
    const transport = portTo(clock, () => undefined);
    const stuck: SerialTransport = {
      port: transport.port,
      closed: transport.closed,
      write: async (_, deadline) => {
        await clock.sleep(Math.max(0, deadline.atUs - clock.nowUs()));
        throw new TransportError("TRANSPORT_TIMEOUT", "the port takes nothing");
      },
      read: (length, deadline) => transport.read(length, deadline),
      readSome: (most, deadline) => transport.readSome(most, deadline),
      setBaudRate: (baudRate, deadline) => transport.setBaudRate(baudRate, deadline),
      drain: (deadline) => transport.drain(deadline),
      close: () => transport.close(),
    };
    await expect(openPlainSerprog({ transport: stuck, clock })).rejects.toMatchObject({
      code: "BRIDGE_SYNC",
    });
  });

  test("the caller's deadline is kept", async () => {
    const clock = new SimClock();
    const transport = portTo(clock, () => undefined);
    const deadline = deadlineIn(clock, 120);
    await expect(openPlainSerprog({ transport, clock, deadline })).rejects.toMatchObject({
      code: "BRIDGE_SYNC",
    });
    expect(clock.nowUs()).toBeLessThanOrEqual(121_000);
  });
});

describe("a programmer that will not do", () => {
  function open(options: Partial<SerprogBoardOptions>): Promise<unknown> {
    const clock = new SimClock();
    const model = createSerprogModel({ clock, spi: NOTHING, options });
    return openPlainSerprog({ transport: model.transport(), clock });
  }

  test("one for LPC flash", async () => {
    await expect(open({ busTypes: 0x02 })).rejects.toMatchObject({
      code: "BRIDGE_UNSUPPORTED",
      message: expect.stringContaining("not for SPI"),
    });
  });

  test("one that has no SPI operation", async () => {
    await expect(open({ commands: [0, 1, 2, 3, 0x10] })).rejects.toMatchObject({
      code: "BRIDGE_UNSUPPORTED",
      message: expect.stringContaining("0x13 O_SPIOP"),
    });
  });

  test("another version of the protocol", async () => {
    const clock = new SimClock();
    const answers: Readonly<Record<number, readonly number[]>> = {
      [SERPROG.nop]: [6],
      [SERPROG.syncNop]: [0x15, 6],
      [SERPROG.queryInterface]: [6, 2, 0],
    };
    const error = await failure(clock, (bytes, answer) => {
      for (const byte of bytes) answer(Uint8Array.from(answers[byte] ?? []));
    });
    expect(error).toMatchObject({ code: "BRIDGE_UNSUPPORTED", details: { version: 2 } });
  });

  test("a baud rate that is none", async () => {
    const clock = new SimClock();
    const model = createSerprogModel({ clock, spi: NOTHING });
    const transport = model.transport();
    await expect(
      openPlainSerprog({ transport, clock, options: { baudRate: 11 } }),
    ).rejects.toMatchObject({ code: "USAGE" });
    expect(await transport.closed).toBeUndefined();
  });

  test("a UART at another baud rate", async () => {
    const clock = new SimClock();
    const model = createSerprogModel({ clock, spi: NOTHING, board: "frser-duino" });
    await expect(
      openPlainSerprog({ transport: model.transport(), clock, options: { baudRate: 57_600 } }),
    ).rejects.toMatchObject({ code: "BRIDGE_SYNC", hint: expect.stringContaining("baud rate") });
  });
});
