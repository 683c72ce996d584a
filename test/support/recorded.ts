import { openFtdi } from "../../src/bridge/ftdi/driver.js";
import { openCard, type SdCard } from "../../src/card/sd-card.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../src/sim/card/flash.js";
import { createCardModel } from "../../src/sim/card/model.js";
import { SimClock } from "../../src/sim/clock.js";
import { createFtdiModel } from "../../src/sim/ftdi/model.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import { type Cassette, parseCassette } from "../../src/transport/cassette.js";
import { UsbRecorder } from "../../src/transport/recorder.js";

/** What the card model was clocked with while it was selected. */
export interface Tap {
  readonly mosi: number[];
  readonly miso: number[];
}

/** Stands between chip and card and writes down the bytes of both wires while CS is low. */
function tapped(card: SpiDevice, tap: Tap): SpiDevice {
  let selected = false;
  return {
    setCs(level) {
      selected = level === "low";
      card.setCs(level);
    },
    exchange(mosi, miso, length, timing) {
      const into = miso ?? new Uint8Array(length);
      card.exchange(mosi, into, length, timing);
      if (!selected) return;
      for (let at = 0; at < length; at++) {
        tap.mosi.push(mosi?.[at] ?? 0xff);
        tap.miso.push(into[at] as number);
      }
    },
    peek: (atUs) => card.peek(atUs),
  };
}

/** A session on the simulated FT232H with a fresh 64 MiB SDHC card, recorded. */
export async function recordSession(
  use: (card: SdCard) => Promise<void>,
): Promise<{ text: string; cassette: Cassette; tap: Tap }> {
  const clock = new SimClock();
  const tap: Tap = { mosi: [], miso: [] };
  const model = createFtdiModel({
    clock,
    spi: tapped(createCardModel(new MemoryFlash(131_072)), tap),
  });
  let text = "";
  const header = {
    cassette: 1,
    transport: "usb",
    bridge: "ftdi",
    tool: "test",
    zlib: "",
    device: { vendorId: 0x0403, productId: 0x6014, bcdDevice: 0x0900, portPath: "1-1" },
    deviceString: "sim:",
    packetSizes: { "2": 512, "129": 512 },
    capabilities: {},
    arguments: [],
    wallTimeMs: clock.wallTime(),
    randomSeed: "00",
  } as const;
  const recorder = new UsbRecorder(model.transport(0), clock, header, (line) => {
    text += line;
  });
  const bridge = await openFtdi({ transport: recorder, clock: recorder.clock });
  const card = await openCard({
    bus: createSpiModeBus({ bridge, clock: recorder.clock }),
    clock: recorder.clock,
  });
  await use(card);
  await card.close();
  return { text, cassette: parseCassette(text), tap };
}
