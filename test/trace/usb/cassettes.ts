import type {
  Cassette,
  CassetteEvent,
  CassetteHeader,
  TransferRequest,
} from "../../../src/transport/cassette.js";

/** The header of a recording of an FT232H, with what a test wants to differ. */
export function headerOf(differs: Partial<CassetteHeader> = {}): CassetteHeader {
  return {
    cassette: 1,
    transport: "usb",
    bridge: "ftdi",
    tool: "0.1.0",
    zlib: "",
    device: { vendorId: 0x0403, productId: 0x6014, bcdDevice: 0x0900, portPath: "1-1" },
    deviceString: "ft232h",
    packetSizes: { "2": 512, "129": 512 },
    capabilities: {},
    arguments: [],
    wallTimeMs: 1_700_000_000_000,
    randomSeed: "00",
    ...differs,
  };
}

type Outcome = Pick<Extract<CassetteEvent, { kind: "complete" }>, "data" | "error">;

/** One transfer after the other, 10 µs each. */
export function cassetteOf(
  transfers: readonly (readonly [TransferRequest, Outcome?])[],
  header: CassetteHeader = headerOf(),
): Cassette {
  const events = transfers.flatMap(([request, outcome = {}], at): CassetteEvent[] => [
    { kind: "submit", index: 2 * at + 1, atUs: 20 * at, id: at + 1, request },
    { kind: "complete", index: 2 * at + 2, atUs: 20 * at + 10, id: at + 1, ...outcome },
  ]);
  return { header, events };
}
