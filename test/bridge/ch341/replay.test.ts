import { openCh341 } from "../../../src/bridge/ch341/driver.js";
import { testReplay } from "../bulk-replay.js";
import { Bench } from "./support.js";

testReplay({
  bridge: "ch341",
  open: (transport, clock) =>
    openCh341({ transport, clock, options: { fastIdentification: true } }),
  benches: [
    ["as documented", () => new Bench()],
    ["with an odd round trip", () => new Bench({ roundTripUs: 1234.5 })],
    ["a clone that does not tell its pins", () => new Bench({ pinReads: "ignored" })],
  ],
  longRead: 30_000,
});
