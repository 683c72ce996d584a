import { describe, expect, test } from "@jest/globals";
import { Option } from "commander";
import { COMMON_OPTIONS, camelCase, PSTORE_OPTIONS } from "../../src/cli/options.js";

describe("options", () => {
  test.each([...COMMON_OPTIONS, ...PSTORE_OPTIONS].map((spec) => [spec.flags, spec.name] as const))(
    "%s is found where commander puts it",
    (flags, name) => {
      expect(camelCase(name)).toBe(new Option(flags).attributeName());
    },
  );
});
