import { describe, expect, it } from "@jest/globals";
import { serveUsbipSim, type UsbipSim } from "../../../src/device/serve-usbip.js";
import { createCh347Model } from "../../../src/sim/ch347/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import { exportCh347 } from "../../../src/sim/usbip/exported-device.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { silentLog } from "../../../src/util/log.js";
import { READ_CONFIG } from "../../bridge/ch347/vectors.js";
import { CountingDevice, codeOf } from "../../bridge/ftdi/support.js";
import { TempFolder } from "../../support/temp-images.js";

describe("a CH347 exported over USB/IP", () => {
  it.each([
    ["ch347t", 0x55db, 2],
    ["ch347f", 0x55de, 4],
  ] as const)(
    "%s: its SPI interface reaches the model, its serial ports are silent",
    async (part, productId, spi) => {
      const model = createCh347Model({ part, clock: new SimClock(), spi: new CountingDevice() });
      const { table, claim } = exportCh347(model, part, "42");
      expect(table).toMatchObject({ productId, serialNumber: "42", vendorId: 0x1a86 });
      expect(table.interfaces[spi]?.classes).toEqual([0xff, 0, 0]);
      expect(model.interfaces[0]?.number).toBe(spi);
      const device = claim();
      expect(() => claim()).toThrow(expect.objectContaining({ code: "TRANSPORT_BUSY" }));
      await device.send(0x06, fromHex(READ_CONFIG)).done;
      const answer = await device.receive(0x86, 512).done;
      expect(toHex((answer ?? new Uint8Array(0)).subarray(0, 3))).toBe("ca1a00");
      const setLine = { requestType: 0x21, request: 0x20, value: 0, index: 0 };
      await device.controlOut(setLine, new Uint8Array(7));
      expect(model.violations).toEqual([]);
      await device.close();
      claim();
    },
  );

  it("is refused in a mode that has no descriptors here, and lets go of the image", async () => {
    const folder = new TempFolder();
    const image = folder.write("card.img", new Uint8Array(1 << 20));
    const serve = (part: string): Promise<UsbipSim> =>
      serveUsbipSim({
        devices: [`sim:${image}?bridge=${part}`],
        host: "127.0.0.1",
        port: 0,
        readOnly: false,
        log: silentLog,
      });
    expect(await codeOf(serve("ch347t-mode0"))).toBe("USAGE");
    const served = await serve("ch347f");
    expect(served.devices).toMatchObject([{ productId: 0x55de, serialNumber: "0123456789" }]);
    await served.close();
    folder.remove();
  });
});
