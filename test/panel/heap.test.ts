import { expect, test } from "@jest/globals";
import { growth } from "../matrix/heap/growth.js";

/** 1 000 of them, and on a card in use, in `npm run test:matrix`. */
const FIRES = 120;

test("fires leave the heap no larger", async () => {
  const { bytes, objects } = await growth(40, FIRES, "healthy");
  expect(objects).toBeLessThan(1);
  // A panic's buffers are some 10 KiB.
  expect(bytes).toBeLessThan(256);
});
