import { expect, test } from "@jest/globals";
import { growth, HOW } from "./growth.js";

const WARM_UP = 250;
const FIRES = 1000;
/** 32 bytes a panic: two or three words of an object. */
const SLACK_BYTES = (32 * FIRES) / 5;

test.each(HOW)("1 000 fires leave the heap no larger: %s", async (how) => {
  const bytes = await growth(WARM_UP, FIRES, how);
  process.stderr.write(
    `heap, ${FIRES} fires, ${how}: ${bytes} bytes more after each ${FIRES / 5}\n`,
  );
  expect(bytes).toBeLessThan(SLACK_BYTES);
});
