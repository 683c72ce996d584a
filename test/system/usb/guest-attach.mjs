// What `usbip attach` and `usbip detach` do, in Node: for guests that do not have these tools. Needs root and vhci_hcd.
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

const VHCI = "/sys/devices/platform/vhci_hcd.0";
const VERSION = 0x0111;
const REQUEST_IMPORT = 0x8003;
const REPLY_BYTES = 320;
const HIGH_SPEED_ROW = /^hs\s+(\d+)\s+0*4\s/gm;

/** Imports a device and hands its connection to the kernel; resolves with the port of the virtual hub (0: `1-1` here). */
export async function attach(host, port, busid, hubPort = freePort()) {
  const socket = await connected(host, port);
  const request = Buffer.alloc(40);
  request.writeUInt16BE(VERSION, 0);
  request.writeUInt16BE(REQUEST_IMPORT, 2);
  request.write(busid, 8, "latin1");
  socket.write(request);
  const record = (await reply(socket)).subarray(8);
  const [bus, device, speed] = [288, 292, 296].map((at) => record.readUInt32BE(at));
  // From here on the kernel reads the socket, from the moment on at which it has it.
  const { fd } = socket._handle;
  writeFileSync(`${VHCI}/attach`, `${hubPort} ${fd} ${bus * 65536 + device} ${speed}`);
  socket.destroy();
  return hubPort;
}

export function detach(hubPort) {
  writeFileSync(`${VHCI}/detach`, String(hubPort));
}

/** The first port of the USB 2 hub that nothing is plugged into. */
function freePort() {
  const [row] = readFileSync(`${VHCI}/status`, "latin1").matchAll(HIGH_SPEED_ROW);
  if (row === undefined) throw new Error("no port is free");
  return Number(row[1]);
}

function connected(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}

function reply(socket) {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    socket.once("close", () => reject(new Error(`refused: ${got.toString("hex")}`)));
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < REPLY_BYTES) return;
      socket.pause();
      socket._handle.readStop();
      resolve(got);
    });
  });
}
