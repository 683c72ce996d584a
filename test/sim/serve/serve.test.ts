import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { stripStatus } from "../../../src/bridge/ftdi/decoder.js";
import { openFtdi } from "../../../src/bridge/ftdi/driver.js";
import { createFtdiModel, type FtdiModel } from "../../../src/sim/ftdi/model.js";
import { connectSocketTransport, connectTransport } from "../../../src/sim/serve/client.js";
import { encodeFrame, FRAME } from "../../../src/sim/serve/frames.js";
import { encodeBulk, encodeHello } from "../../../src/sim/serve/messages.js";
import { type ModelServer, serveModel } from "../../../src/sim/serve/server.js";
import type { Segment } from "../../../src/spi/bridge.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { RealClock } from "../../../src/util/clock.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import { EchoDevice, pattern, shift } from "../ftdi/support.js";

const clock = new RealClock();
const soon = (ms = 5000): Deadline => deadlineIn(clock, ms);

let folder: string;
let path: string;
let model: FtdiModel;
let server: ModelServer;
const clients: UsbTransport[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mmcpstore-serve-"));
  path = join(folder, "sim.sock");
  model = createFtdiModel({
    clock,
    spi: new EchoDevice(),
    chip: "ft2232h",
    roundTripUs: 0,
    serialNumber: "SIM1",
  });
  server = await serveModel({ path, model, clock });
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function client(interfaceNumber = 0): Promise<UsbTransport> {
  const usb = await connectSocketTransport(path, clock, { interfaceNumber });
  clients.push(usb);
  return usb;
}

async function control(usb: UsbTransport, request: number, value: number): Promise<void> {
  const setup = { requestType: 0x40, request, value, index: 1 };
  await usb.controlOut(setup, new Uint8Array(0), soon());
}

async function mpsse(usb: UsbTransport): Promise<void> {
  await control(usb, 0x09, 255);
  await control(usb, 0x0b, 0);
  await control(usb, 0x0b, 0x020b);
}

function payload(transfer: Uint8Array): string {
  const into = new Uint8Array(transfer.length);
  return toHex(into.subarray(0, stripStatus(transfer, 512, into, 0)));
}

/** A raw connection, for those who do not keep to the protocol. */
async function raw(): Promise<{ readonly socket: Socket; readonly closed: Promise<void> }> {
  const socket = connect(path);
  socket.on("error", () => undefined);
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, closed };
}

/** What the chip answers to a bad opcode; INs of status bytes alone do not count. */
async function sync(usb: UsbTransport): Promise<string> {
  await usb.bulkOut(0x02, fromHex("ab 87"), soon()).done;
  for (;;) {
    const answer = payload(await usb.bulkIn(0x81, 512, soon()).done);
    if (answer !== "") return answer;
  }
}

/** The next IN never completes by itself. */
function holdNextIn(): void {
  model.inject({ kind: "drop", endpoint: "in", transfer: model.counters.inSubmitted });
}

describe("a model served on a socket", () => {
  it("looks like the model itself: descriptors, endpoints, control and bulk transfers", async () => {
    const usb = await client();
    expect(usb.device).toEqual({
      vendorId: 0x0403,
      productId: 0x6010,
      bcdDevice: 0x0700,
      manufacturer: "FTDI",
      product: "Dual RS232-HS",
      serialNumber: "SIM1",
      portPath: "1-1",
    });
    expect(usb.packetSize(0x81)).toBe(512);
    expect(() => usb.packetSize(0x83)).toThrow("no endpoint 0x83");
    await mpsse(usb);
    const setup = { requestType: 0xc0, request: 0x0a, value: 0, index: 1 };
    expect(toHex(await usb.controlIn(setup, 1, soon()))).toBe("ff");
    expect(await sync(usb)).toBe("faab");
  });

  it("carries large transfers, several in flight on each endpoint, in order", async () => {
    const usb = await client();
    await mpsse(usb);
    const data = pattern(60_000);
    let left = data.length;
    const read = async (length: number): Promise<string> => {
      const part = payload(await usb.bulkIn(0x81, length, soon()).done);
      left -= part.length / 2;
      return part;
    };
    const reads = [read(30_720), read(65_536)];
    const script = concatBytes([fromHex("8a 86 00 00 84"), shift(data), fromHex("87")]);
    const sends = [
      usb.bulkOut(0x02, script.subarray(0, 20_000), soon()),
      usb.bulkOut(0x02, script.subarray(20_000), soon()),
    ];
    const parts = await Promise.all(reads);
    while (left > 0) parts.push(await read(512));
    await Promise.all(sends.map((send) => send.done));
    expect(parts.join("") === toHex(data)).toBe(true);
  });

  it("cancels, and keeps deadlines", async () => {
    const usb = await client();
    await mpsse(usb);
    holdNextIn();
    const posted = usb.bulkIn(0x81, 512, soon());
    posted.cancel();
    await expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    holdNextIn();
    const late = usb.bulkIn(0x81, 512, soon(30));
    await expect(late.done).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    posted.cancel();
    expect(await sync(usb)).toBe("faab");
  });

  it("tells errors by their codes", async () => {
    const usb = await client();
    const setup = { requestType: 0x40, request: 0x55, value: 0, index: 1 };
    await expect(usb.controlOut(setup, new Uint8Array(0), soon())).rejects.toMatchObject({
      code: "TRANSPORT_STALL",
      message: expect.stringContaining("0x55"),
      details: { request: 0x55 },
    });
    model.unplug();
    await expect(usb.bulkIn(0x81, 512, soon()).done).rejects.toMatchObject({
      code: "TRANSPORT_DISCONNECTED",
    });
  });

  it("gives an interface to one client at a time, and the others to others", async () => {
    const first = await client(0);
    await expect(connectSocketTransport(path, clock)).rejects.toMatchObject({
      code: "TRANSPORT_BUSY",
    });
    const second = await client(1);
    expect(second.packetSize(0x83)).toBe(512);
    await expect(connectSocketTransport(path, clock, { interfaceNumber: 7 })).rejects.toMatchObject(
      {
        code: "TRANSPORT_NOT_FOUND",
      },
    );
    await first.close();
    const third = await client(0);
    await mpsse(third);
    expect(await sync(third)).toBe("faab");
  });

  it("is closed once, and takes nothing after that", async () => {
    const usb = await client();
    holdNextIn();
    const posted = usb.bulkIn(0x81, 512, soon());
    const failed = expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    await mpsse(usb);
    await Promise.all([usb.close(), failed]);
    await usb.close();
    await expect(usb.bulkIn(0x81, 512, soon()).done).rejects.toMatchObject({
      code: "TRANSPORT_DISCONNECTED",
    });
  });
});

describe("a client that dies", () => {
  it("leaves the engine in the middle of its command; the next one finds and recovers it", async () => {
    const { socket, closed } = await raw();
    socket.write(encodeFrame(FRAME.hello, 0, encodeHello({ version: 1, interfaceNumber: 0 })));
    await new Promise((resolve) => socket.once("data", resolve));
    const setups = ["40 0b 0000 0100", "40 0b 0b02 0100"];
    setups.forEach((setup, at) => {
      const body = fromHex(`${setup} 404b4c00 00000000`);
      socket.write(encodeFrame(FRAME.controlOut, 10 + at, body));
    });
    // CS low, then a shift of 64 KiB of which three bytes come; an IN is waiting.
    const out = fromHex("80 02 0b 31 ff ff 01 02 03");
    const leftUs = 5_000_000;
    socket.write(
      encodeFrame(FRAME.bulkOut, 20, encodeBulk({ endpoint: 2, leftUs, length: 0, data: out })),
    );
    const wanted = { endpoint: 0x81, leftUs, length: 512, data: new Uint8Array(0) };
    socket.write(encodeFrame(FRAME.bulkIn, 21, encodeBulk(wanted)));
    while (!model.engine.midCommand) await delay(1);
    socket.destroy();
    await closed;
    const usb = await client();
    expect([model.engine.midCommand, model.engine.cs]).toEqual([true, "low"]);
    await mpsse(usb);
    await control(usb, 0x00, 2);
    expect(await sync(usb)).toBe("faab");
  });

  it("costs the server nothing, whatever it sent", async () => {
    const hello = encodeFrame(FRAME.hello, 0, encodeHello({ version: 1, interfaceNumber: 0 }));
    const garbage = [
      fromHex("ff ff ff ff 00"),
      fromHex("00 00 00 00"),
      encodeFrame(FRAME.bulkIn, 1, new Uint8Array(9)),
      encodeFrame(FRAME.hello, 0, fromHex("00")),
      concatBytes([hello, encodeFrame(FRAME.bulkIn, 1, new Uint8Array(9))]),
      new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ];
    for (const bytes of garbage) {
      const { socket, closed } = await raw();
      socket.write(bytes);
      await closed;
    }
    const { socket, closed } = await raw();
    socket.write(hello);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.write(encodeFrame(0x66, 1, new Uint8Array(20)));
    await closed;
    const usb = await client();
    await mpsse(usb);
    expect(await sync(usb)).toBe("faab");
  });
});

describe("the driver over the socket", () => {
  it("exchanges, dies without closing, and is followed by another that finds the chip well", async () => {
    const data = pattern(3000);
    for (let round = 0; round < 2; round++) {
      const socket = connect(path);
      await new Promise((resolve) => socket.once("connect", resolve));
      const transport = await connectTransport(socket, clock);
      const bridge = await openFtdi({ transport, clock });
      await bridge.configure({ frequencyHz: 30e6 });
      const into = new Uint8Array(data.length);
      const segments: Segment[] = [{ kind: "select" }, { kind: "exchange", data, into }];
      await bridge.submit({ label: "exchange", segments }, soon());
      expect(toHex(into)).toBe(`a5${toHex(data.subarray(0, -1))}`);
      expect(model.engine.cs).toBe("low");
      socket.destroy();
    }
    expect(model.violations).toEqual([]);
  });
});

describe("the socket file", () => {
  it("of a live server is not taken", async () => {
    await expect(serveModel({ path, model, clock })).rejects.toMatchObject({ code: "LOCKED" });
    await client();
  });

  it("of a dead server is replaced", async () => {
    const stale = join(folder, "stale.sock");
    // A listener in another process would leave it when killed; a rename makes Node lose track of it.
    const dead = await listen(join(folder, "dead.sock"));
    await rename(join(folder, "dead.sock"), stale);
    await new Promise((resolve) => dead.close(resolve));
    await expect(connectSocketTransport(stale, clock)).rejects.toMatchObject({
      code: "TRANSPORT_NOT_FOUND",
      hint: expect.stringContaining("sim serve"),
    });
    const second = await serveModel({ path: stale, model, clock });
    const usb = await connectSocketTransport(stale, clock);
    await usb.close();
    await second.close();
  });

  it("is refused if it is another kind of file, or its path too long, or its folder missing", async () => {
    const file = join(folder, "file");
    await writeFile(file, "keep me");
    await expect(serveModel({ path: file, model, clock })).rejects.toMatchObject({
      code: "REFUSED",
    });
    const long = join(folder, "x".repeat(120));
    await expect(serveModel({ path: long, model, clock })).rejects.toMatchObject({ code: "USAGE" });
    const nowhere = join(folder, "no", "sim.sock");
    await expect(serveModel({ path: nowhere, model, clock })).rejects.toMatchObject({ code: "IO" });
  });

  it("goes away with the server, and with it all that is in flight", async () => {
    const usb = await client();
    await mpsse(usb);
    holdNextIn();
    const posted = usb.bulkIn(0x81, 512, soon());
    const failed = expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    await server.close();
    await failed;
    expect(server.clients).toBe(0);
    await expect(connectSocketTransport(path, clock)).rejects.toMatchObject({
      code: "TRANSPORT_NOT_FOUND",
    });
  });
});

describe("a client whose server", () => {
  it("speaks another version says so", async () => {
    await expect(connectSocketTransport(path, clock, { version: 9 })).rejects.toMatchObject({
      code: "TRANSPORT_FAULT",
      message: expect.stringContaining("version 1"),
      hint: expect.stringContaining("same installation"),
    });
  });

  it("is something else gives up", async () => {
    const other = await listen(join(folder, "other.sock"), (socket) =>
      socket.write("220 hello\r\n"),
    );
    await expect(connectSocketTransport(join(folder, "other.sock"), clock)).rejects.toMatchObject({
      code: "TRANSPORT_FAULT",
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it("says nothing gives up at its deadline", async () => {
    const mute = await listen(join(folder, "mute.sock"));
    const deadline = soon(30);
    await expect(
      connectSocketTransport(join(folder, "mute.sock"), clock, { deadline }),
    ).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    await new Promise((resolve) => mute.close(resolve));
  });
});

async function listen(at: string, greet?: (socket: Socket) => void): Promise<Server> {
  const other = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.resume();
    greet?.(socket);
  });
  await new Promise<void>((resolve) => other.listen(at, resolve));
  return other;
}
