/** Files of packets: libpcap's classic format (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), little-endian, times in µs. */
import type { Cassette } from "../../transport/cassette.js";
import { concatBytes, roundUp, viewOf } from "../../util/bytes.js";
import { placeOf, type UrbEvent, urbsOf } from "./urbs.js";
import { encodeUsbmon, LINKTYPE_USB_LINUX_MMAPPED } from "./usbmon.js";

const US_PER_SECOND = 1_000_000;
/** Readers cut off what is longer than the file says that packets may be; this is the most that libpcap takes for USB. */
const LONGEST_PACKET = 128 * 1024 * 1024;

/** USB transfers of a recording as a usbmon capture, in pieces. @throws UsageError if it is of no USB device */
export function* exportPcap(cassette: Cassette): Generator<Uint8Array> {
  yield words([0xa1b2c3d4, 0x0004_0002, 0, 0, LONGEST_PACKET, LINKTYPE_USB_LINUX_MMAPPED]);
  for (const { urb, packet } of packetsOf(cassette)) {
    const time = [Math.floor(urb.wallUs / US_PER_SECOND), urb.wallUs % US_PER_SECOND];
    yield words([...time, packet.length, packet.length]);
    yield packet;
  }
}

const BLOCK = { section: 0x0a0d0d0a, interface: 1, packet: 6 };
const OPTION = { interfaceName: 2, userApplication: 4 };
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Of a section whose length is not said. */
const UNKNOWN = 0xffff_ffff;

/** The same as pcapng. @throws UsageError if it is of no USB device */
export function* exportPcapng(cassette: Cassette): Generator<Uint8Array> {
  const { bus } = placeOf(cassette.header);
  const packets = packetsOf(cassette);
  const tool = option(OPTION.userApplication, `mmcpstore ${cassette.header.tool}`);
  yield block(BLOCK.section, words([BYTE_ORDER_MAGIC, 1, UNKNOWN, UNKNOWN]), tool);
  const name = option(OPTION.interfaceName, `usbmon${bus}`);
  yield block(BLOCK.interface, words([LINKTYPE_USB_LINUX_MMAPPED, LONGEST_PACKET]), name);
  for (const { urb, packet } of packets) {
    const time = [Math.floor(urb.wallUs / 2 ** 32), urb.wallUs % 2 ** 32];
    yield block(BLOCK.packet, words([0, ...time, packet.length, packet.length]), padded(packet));
  }
}

function packetsOf(cassette: Cassette): { urb: UrbEvent; packet: Uint8Array }[] {
  const place = placeOf(cassette.header);
  return urbsOf(cassette).map((urb) => ({ urb, packet: encodeUsbmon(urb, place) }));
}

function block(type: number, fields: Uint8Array, rest: Uint8Array): Uint8Array {
  const total = 12 + fields.length + rest.length;
  return concatBytes([words([type, total]), fields, rest, words([total])]);
}

/** One option and the end of the options. */
function option(code: number, text: string): Uint8Array {
  const value = Buffer.from(text);
  const head = words([code | (value.length << 16)]);
  return concatBytes([head, padded(value), words([0])]);
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(roundUp(bytes.length, 4));
  out.set(bytes);
  return out;
}

function words(values: readonly number[]): Uint8Array {
  const out = new Uint8Array(4 * values.length);
  for (const [at, value] of values.entries()) viewOf(out).setUint32(4 * at, value, true);
  return out;
}
