import base from "./jest.config.js";

/** Whole products and long fuzzing, sharded by file: `npm run test:matrix`. */
export default {
  ...base,
  roots: ["<rootDir>/test/matrix"],
  testMatch: ["**/*.matrix.ts"],
  testTimeout: 1_500_000,
};
