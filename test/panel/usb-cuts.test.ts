import { describe, expect, test } from "@jest/globals";
import { CASES, UsbBench } from "../matrix/usb-cuts/bench.js";

/** Another byte of each transfer for each; `npm run test:matrix` takes every byte. */
const STEP = 37;

describe("a USB transfer is cut in the middle: the card is taken back, the record written", () => {
  test.each(CASES)("%s", async (_, one) => {
    const bench = await UsbBench.open(one);
    const lengths = await bench.lengths();
    const part = one.flow === "record write" ? 3 : 1;
    for (const [transfer, length] of lengths.entries()) {
      if (transfer % part === CASES.findIndex(([, other]) => other === one) % part)
        await bench.run(transfer, (transfer * STEP + STEP) % (length + 1));
    }
    expect(bench.failures).toEqual([]);
    expect(bench.expecting).toBeGreaterThan(0);
  });
});
