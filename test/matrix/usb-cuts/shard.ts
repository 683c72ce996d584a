import { expect, test } from "@jest/globals";
import { CASES, UsbBench, type UsbCase } from "./bench.js";

/** Every OUT transfer of the cases cut behind every byte. */
export function usbCutShard(chosen: (one: UsbCase) => boolean): void {
  test.each(CASES.filter(([, one]) => chosen(one)))(
    "cut at every USB byte: %s",
    async (name, one) => {
      const bench = await UsbBench.open(one);
      const lengths = await bench.lengths();
      for (const [transfer, length] of lengths.entries())
        for (let bytes = 0; bytes <= length; bytes++) await bench.run(transfer, bytes);
      process.stderr.write(
        `USB cuts, ${name}: ${bench.runs} in ${lengths.length} OUT transfers, ${bench.expecting} left the engine expecting payload\n`,
      );
      expect(bench.failures).toEqual([]);
      expect(bench.expecting).toBeGreaterThan(0);
    },
  );
}
