import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createFtdiModel, type FtdiModel } from "../../../src/sim/ftdi/model.js";
import { exportFtdi } from "../../../src/sim/usbip/exported-device.js";
import { serveUsbip, type UsbipServer } from "../../../src/sim/usbip/server.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { RealClock } from "../../../src/util/clock.js";
import { EchoDevice } from "../ftdi/support.js";
import { cmdSubmit, OP_DEVLIST, opImport, type Reply, UsbipClient } from "./client.js";

const clock = new RealClock();
const NOTHING = new Uint8Array(0);
const GET_DEVICE = { requestType: 0x80, request: 6, value: 0x0100, index: 0 };

let models: FtdiModel[];
let server: UsbipServer;
const clients: UsbipClient[] = [];

beforeEach(async () => {
  models = (["ft232h", "ft2232h"] as const).map((chip) =>
    createFtdiModel({ clock, spi: new EchoDevice(), chip, roundTripUs: 0, serialNumber: "SIM1" }),
  );
  server = await serveUsbip({ devices: models.map(exportFtdi), clock, port: 0 });
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await server.close();
});

async function connected(): Promise<UsbipClient> {
  const client = await UsbipClient.connect(server.port);
  clients.push(client);
  return client;
}

async function imported(busid = "1-1"): Promise<UsbipClient> {
  const client = await connected();
  await client.import(busid);
  return client;
}

function vendor(
  request: number,
  value: number,
  index = 1,
): Parameters<UsbipClient["controlOut"]>[0] {
  return { requestType: 0x40, request, value, index };
}

async function mpsse(client: UsbipClient): Promise<void> {
  for (const [request, value] of [
    [0x09, 255],
    [0x0b, 0],
    [0x0b, 0x020b],
  ] as const)
    expect(await client.controlOut(vendor(request, value))).toMatchObject({ status: 0, actual: 0 });
}

/** The answer to a bad opcode, whatever idle packets came before. */
async function sync(client: UsbipClient, out = 0x02, inward = 0x81): Promise<string> {
  expect(await client.out(out, fromHex("ab 87"))).toMatchObject({ status: 0, actual: 2 });
  for (;;) {
    const { status, data } = await client.in(inward, 512);
    if (status !== 0 || data.length > 2) return toHex(data.subarray(2));
  }
}

describe("a listing", () => {
  it("names the devices, and ends the connection", async () => {
    const client = await connected();
    client.socket.write(OP_DEVLIST);
    const bytes = await client.rest();
    expect(toHex(bytes.subarray(0, 12))).toBe("011100050000000000000002");
    expect(bytes.length).toBe(12 + 312 + 4 + 312 + 8);
    expect(Buffer.from(bytes.subarray(268, 271)).toString("latin1")).toBe("1-1");
  });
});

describe("an import", () => {
  it("gives the device, its standard requests and its strings", async () => {
    const client = await connected();
    const record = await client.import("1-2");
    expect(toHex(record.subarray(308, 314))).toBe("040360100700");
    expect(server.imported).toEqual(["1-2"]);
    const device = await client.controlIn(GET_DEVICE, 64);
    expect([device.status, device.actual, toHex(device.data.subarray(8, 12))]).toEqual([
      0,
      18,
      "03041060",
    ]);
    expect((await client.controlIn(GET_DEVICE, 8)).actual).toBe(8);
    const string = { ...GET_DEVICE, value: 0x0303, index: 0x0409 };
    expect(toHex((await client.controlIn(string, 255)).data)).toBe("0a03530049004d003100");
    expect((await client.controlIn({ ...string, value: 0x03ee }, 18)).status).toBe(-32);
    expect(
      (await client.controlOut({ requestType: 0, request: 9, value: 1, index: 0 })).status,
    ).toBe(0);
    expect(toHex((await client.controlIn({ ...GET_DEVICE, request: 8, value: 0 }, 1)).data)).toBe(
      "01",
    );
  });

  it.each([
    ["SET_CONFIGURATION 2", 0x00, 9, 2, 0, -32],
    ["SET_CONFIGURATION 0", 0x00, 9, 0, 0, 0],
    ["SET_INTERFACE 0 of 1", 0x01, 11, 0, 1, 0],
    ["SET_INTERFACE 1 of 0", 0x01, 11, 1, 0, -32],
    ["SET_INTERFACE 0 of 2", 0x01, 11, 0, 2, -32],
    ["CLEAR_FEATURE of endpoint 81", 0x02, 1, 0, 0x81, 0],
    ["CLEAR_FEATURE of endpoint 04", 0x02, 1, 0, 0x04, 0],
    ["CLEAR_FEATURE of endpoint 05", 0x02, 1, 0, 0x05, -32],
    ["SET_FEATURE of the device", 0x00, 3, 1, 0, 0],
    ["SET_ADDRESS", 0x00, 5, 3, 0, -32],
    ["a class request", 0x21, 0x20, 0, 0, -32],
  ])("%s", async (_name, requestType, request, value, index, status) => {
    const client = await imported("1-2");
    expect((await client.controlOut({ requestType, request, value, index })).status).toBe(status);
  });

  it.each([
    ["status of the device", 0x80, 0, 0, 0, "0000"],
    ["status of interface 1", 0x81, 0, 0, 1, "0000"],
    ["status of interface 2", 0x81, 0, 0, 2, undefined],
    ["status of endpoint 83", 0x82, 0, 0, 0x83, "0000"],
    ["GET_INTERFACE", 0x81, 10, 0, 1, "00"],
    ["GET_INTERFACE of another", 0x81, 10, 0, 9, undefined],
    ["a report descriptor", 0x81, 6, 0x2200, 0, undefined],
    ["a device qualifier", 0x80, 6, 0x0600, 0, undefined],
    ["configuration 1", 0x80, 6, 0x0201, 0, undefined],
    ["SYNCH_FRAME", 0x82, 12, 0, 0x81, undefined],
  ])("%s", async (_name, requestType, request, value, index, data) => {
    const client = await imported("1-2");
    const reply = await client.controlIn({ requestType, request, value, index }, 2);
    expect([reply.status, toHex(reply.data)]).toEqual(data === undefined ? [-32, ""] : [0, data]);
  });

  it("is refused for what is not there, what somebody has, and what is unplugged", async () => {
    expect(toHex(await (await connected()).import("9-9"))).toBe("0111000300000004");
    await imported("1-1");
    expect(toHex(await (await connected()).import("1-1"))).toBe("0111000300000002");
    models[1]?.unplug();
    expect(toHex(await (await connected()).import("1-2"))).toBe("0111000300000003");
    expect(server.imported).toEqual(["1-1"]);
  });

  it("is possible again when the client is gone, whose chip it finds as that left it", async () => {
    const first = await imported();
    await mpsse(first);
    // CS low, then a shift of 64 KiB of which three bytes come; an IN is waiting.
    await first.out(0x02, fromHex("80 00 0b 31 ff ff 01 02 03"));
    first.submit(0x81, 512);
    await first.close();
    const second = await imported();
    expect([models[0]?.engine.midCommand, models[0]?.engine.cs]).toEqual([true, "low"]);
    await mpsse(second);
    await second.controlOut(vendor(0x00, 2));
    expect(await sync(second)).toBe("faab");
  });
});

describe("what ftdi_sio does", () => {
  it("at probe and at open: latency, EEPROM words, reset, baud, format, modem lines; wIndex 0 too", async () => {
    const client = await imported();
    const read = async (request: number, index: number, length: number): Promise<Reply> =>
      client.controlIn({ requestType: 0xc0, request, value: 0, index }, length);
    expect(toHex((await read(0x0a, 0, 1)).data)).toBe("10");
    expect(toHex((await read(0x90, 0x0c, 2)).data)).toBe("ffff");
    expect((await read(0x05, 0, 2)).status).toBe(0);
    for (const [request, value] of [
      [0x00, 0],
      [0x01, 0x0303],
      [0x02, 0],
      [0x03, 0x4138],
      [0x04, 8],
      [0x09, 1],
    ] as const)
      expect((await client.controlOut(vendor(request, value, 0))).status).toBe(0);
    // Idle in bit mode 0: two bytes whenever the latency timer has run out, on each of the URBs that wait.
    const idle = [1, 2, 3].map(() => client.submit(0x81, 512));
    for (const seqnum of idle)
      expect([
        (await client.reply(seqnum)).status,
        toHex((await client.reply(seqnum)).data),
      ]).toEqual([0, "3260"]);
    expect((await client.out(0x02, fromHex("41 42"))).status).toBe(0);
  });

  it("on the second channel of an FT2232H: wIndex says which", async () => {
    const client = await imported("1-2");
    await client.controlOut(vendor(0x09, 33, 2));
    const latency = (index: number): Promise<Reply> =>
      client.controlIn({ requestType: 0xc0, request: 0x0a, value: 0, index }, 1);
    expect([toHex((await latency(2)).data), toHex((await latency(1)).data)]).toEqual(["21", "10"]);
    expect((await latency(3)).status).toBe(-32);
    expect(
      (await client.controlIn({ requestType: 0xc0, request: 0x90, value: 0, index: 0x1a }, 2))
        .status,
    ).toBe(0);
  });
});

describe("bulk transfers", () => {
  it("several in flight, in order, on both channels", async () => {
    const client = await imported("1-2");
    await mpsse(client);
    const ins = [1, 2, 3].map(() => client.submit(0x81, 512));
    for (const opcode of ["ab", "ac", "ad"]) await client.out(0x02, fromHex(`${opcode} 87`));
    const replies = await Promise.all(ins.map((seqnum) => client.reply(seqnum)));
    expect(replies.map(({ data }) => toHex(data))).toEqual(["3260faab", "3260faac", "3260faad"]);
    const other = client.submit(0x83, 512);
    expect((await client.reply(other)).status).toBe(0);
  });

  it("to endpoints that are not there stall", async () => {
    const client = await imported();
    expect((await client.in(0x83, 512)).status).toBe(-32);
    expect((await client.out(0x04, fromHex("00"))).status).toBe(-32);
  });

  it("that the chip does not take stay open until they are unlinked: no answer but that to the unlink", async () => {
    const client = await imported();
    await mpsse(client);
    models[0]?.inject({ kind: "drop", endpoint: "in", transfer: 0 });
    const victim = client.submit(0x81, 512);
    const unlink = client.unlink(victim);
    expect(await client.reply(unlink)).toMatchObject({ kind: "unlinked", status: -104 });
    expect(await sync(client)).toBe("faab");
    expect(client.replies.some(({ seqnum }) => seqnum === victim)).toBe(false);
    expect(await client.reply(client.unlink(victim))).toMatchObject({
      kind: "unlinked",
      status: 0,
    });
    expect(await client.reply(client.unlink(0xdead))).toMatchObject({ status: 0 });
  });

  it("that are over before the unlink arrives are answered first", async () => {
    const client = await imported();
    await mpsse(client);
    const victim = client.submit(0x02, 2, fromHex("ab 87"));
    const unlink = client.unlink(victim);
    expect(await client.reply(unlink)).toMatchObject({ kind: "unlinked", status: 0 });
    expect(client.replies.at(-2)).toMatchObject({ kind: "submitted", seqnum: victim, status: 0 });
  });
});

describe("an unplugged device", () => {
  it("ends the connection, with -ENODEV for what was under way", async () => {
    const client = await imported();
    await mpsse(client);
    models[0]?.inject({ kind: "drop", endpoint: "in", transfer: 0 });
    const waiting = client.submit(0x81, 512);
    await client.controlIn(GET_DEVICE, 18);
    models[0]?.unplug();
    await client.closed;
    expect(await client.reply(waiting)).toMatchObject({ status: -19 });
    models[0]?.replug();
    const again = await imported();
    await mpsse(again);
    expect(await sync(again)).toBe("faab");
  });

  it("on the server's side of the cable: the chip stays as it is", async () => {
    const client = await imported();
    await mpsse(client);
    expect(server.disconnect("1-1")).toBe(true);
    await client.closed;
    expect([server.disconnect("1-1"), server.imported]).toEqual([false, []]);
    const again = await imported();
    expect(await sync(again)).toBe("faab");
  });
});

describe("who does not keep to the protocol is dropped, and nobody else notices", () => {
  const submit = { seqnum: 1, devid: 0x0001_0002, direction: 1 as const, endpoint: 1, length: 512 };

  it.each([
    ["rubbish", fromHex("deadbeef deadbeef")],
    ["HTTP", new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
    ["URBs before an import", cmdSubmit(submit)],
    ["another device's URBs", concatBytes([opImport("1-2"), cmdSubmit(submit)])],
    ["URBs for a device that it did not get", concatBytes([opImport("9-9"), cmdSubmit(submit)])],
    [
      "a number twice",
      concatBytes([
        opImport("1-2"),
        ...[1, 2].map(() => cmdSubmit({ ...submit, devid: 0x0001_0003, endpoint: 3 })),
      ]),
    ],
    ["rubbish behind an import", concatBytes([opImport("1-2"), new Uint8Array(48).fill(0xff)])],
  ])("%s", async (_name, bytes) => {
    const honest = await imported();
    await mpsse(honest);
    models[1]?.inject({ kind: "drop", endpoint: "in", transfer: 0 });
    const client = await connected();
    client.socket.write(bytes);
    await client.closed;
    expect(await sync(honest)).toBe("faab");
    await (await imported("1-2")).close();
  });

  it("asks for more than is good: refused, not dropped", async () => {
    const client = await imported();
    await mpsse(client);
    models[0]?.inject({ kind: "drop", endpoint: "in", transfer: 0 });
    const waiting = Array.from({ length: 20 }, () => client.submit(0x81, 1024 * 1024));
    expect(await client.reply(waiting[16] as number)).toMatchObject({ status: -12 });
    const unlink = client.unlink(waiting[0] as number);
    expect(await client.reply(unlink)).toMatchObject({ status: -104 });
  });
});

describe("the server", () => {
  it("says which port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await expect(serveUsbip({ devices: [], clock, port })).rejects.toMatchObject({
      code: "LOCKED",
      hint: expect.stringContaining("port"),
    });
    await new Promise((resolve) => other.close(resolve));
    await expect(
      serveUsbip({ devices: [], clock, port: 0, host: "203.0.113.1" }),
    ).rejects.toMatchObject({ code: "IO" });
  });

  it("listens on the loopback address alone, unless told otherwise", () => {
    expect(server.host).toBe("127.0.0.1");
  });

  it("ends its clients with itself, and lets go of the models", async () => {
    const client = await imported();
    client.submit(0x81, 512, NOTHING);
    await server.close();
    await client.closed;
    const usb = models[0]?.transport(0);
    await usb?.close();
  });
});
