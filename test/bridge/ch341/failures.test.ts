import { describe, expect, it } from "@jest/globals";
import { errorCode } from "../../../src/util/errors.js";
import { readFrame } from "../bulk-bench.js";
import { testFailures } from "../bulk-failures.js";
import { codeOf } from "../ftdi/support.js";
import { Bench } from "./support.js";

describe("a chip that tells its pins", () =>
  testFailures({ make: () => new Bench(), longRead: 30_000, shortRead: 130 }));
