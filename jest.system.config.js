import base from "./jest.config.js";

/** The tests that need QEMU and other tools of the machine: `npm run test:system`. */
export default {
  ...base,
  roots: ["<rootDir>/test/system"],
  testMatch: ["**/*.system.ts"],
  testTimeout: 600_000,
};
