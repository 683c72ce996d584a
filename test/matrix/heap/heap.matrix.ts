import { expect, test } from "@jest/globals";
import { growth, HOW } from "./growth.js";

const WARM_UP = 250;
const FIRES = 1000;
/** A panic: less than one object in twenty, and less than the engine's own noise. */
const MOST_OBJECTS = 0.05;
const MOST_BYTES = 64;

test.each(HOW)("1 000 fires leave the heap no larger: %s", async (how) => {
  const { bytes, objects } = await growth(WARM_UP, FIRES, how);
  process.stderr.write(
    `heap, ${FIRES} fires, ${how}: ${bytes} bytes and ${objects} objects more after each\n`,
  );
  expect(objects).toBeLessThan(MOST_OBJECTS);
  expect(bytes).toBeLessThan(MOST_BYTES);
});
