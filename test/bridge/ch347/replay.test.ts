import { openCh347 } from "../../../src/bridge/ch347/driver.js";
import { testReplay } from "../bulk-replay.js";
import { Bench } from "./support.js";

testReplay({
  bridge: "ch347",
  open: (transport, clock) => openCh347({ transport, clock }),
  benches: [
    ["as documented", () => new Bench()],
    ["with an odd round trip", () => new Bench({ roundTripUs: 1234.5 })],
    ["with answers split", () => new Bench({ splitBytes: 99 })],
    ["behind a full-speed hub", () => new Bench({ packetSize: 64 })],
  ],
  longRead: 90_000,
});
