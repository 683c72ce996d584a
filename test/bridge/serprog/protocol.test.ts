import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { BUS_SPI, CS_MODE, factsOf, SPI_MODE } from "../../../src/bridge/serprog/opcodes.js";
import { SDX } from "../../../src/bridge/serprog/sdx/protocol.js";

/** `#define NAME number`: all that firmware/protocol.h has besides comments. */
function definesOf(path: string): Map<string, number> {
  const defines = new Map<string, number>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, name, value] = /^#define (\w+) (\S+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    expect(defines.has(name)).toBe(false);
    defines.set(name, Number(value));
  }
  return defines;
}

const DEFINES = definesOf("firmware/protocol.h");

/** What the host calls otherwise than by the name of an opcode. */
const OTHERS: Readonly<Record<string, number>> = {
  ACK: 0x06,
  NAK: 0x15,
  INTERFACE_VERSION: 1,
  BUS_SPI,
  NAME_BYTES: factsOf(0x03)?.reply ?? 0,
  SPI_HALF_DUPLEX: SPI_MODE.halfDuplex,
  SPI_FULL_DUPLEX: SPI_MODE.fullDuplex,
  CS_AUTO: CS_MODE.auto,
  CS_SELECTED: CS_MODE.selected,
  CS_DESELECTED: CS_MODE.deselected,
};

function under(prefix: string): [string, number][] {
  return [...DEFINES]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), value]);
}

describe("firmware/protocol.h and the codec of the host", () => {
  it("has nothing but numbers", () => {
    for (const [name, value] of DEFINES) {
      expect({ name, known: /^(SDX|SERPROG)_/.test(name) }).toEqual({ name, known: true });
      expect({ name, isNumber: Number.isSafeInteger(value) }).toEqual({ name, isNumber: true });
    }
    const lines = readFileSync("firmware/protocol.h", "utf8").match(/^#define .*$/gm) ?? [];
    // The include guard is the one without a value.
    expect(lines).toHaveLength(DEFINES.size + 1);
  });

  it("says the same numbers of the extension, in both directions", () => {
    expect(under("SDX_").length).toBeGreaterThan(100);
    expect(Object.fromEntries(under("SDX_"))).toEqual({ ...SDX });
  });

  it("says the same of serprog", () => {
    const serprog = under("SERPROG_");
    expect(serprog.length).toBeGreaterThan(25);
    for (const [name, value] of serprog) {
      const own = name in OTHERS ? OTHERS[name] : undefined;
      const opcode = factsOf(value)?.documentName === name ? value : undefined;
      expect({ name, value: own ?? opcode }).toEqual({ name, value });
    }
  });

  it("is in docs/SPEC.md, each number of it", () => {
    const spec = readFileSync("docs/SPEC.md", "utf8");
    const told = new Map<string, number>();
    for (const [, name = "", value = ""] of spec.matchAll(/\| `(SDX_\w+)` \| `?([^`|]+?)`? \|/g))
      told.set(name, Number(value));
    const missing = under("SDX_").filter(([name]) => !told.has(`SDX_${name}`));
    expect(missing).toEqual([]);
    for (const [name, value] of told)
      expect({ name, value: DEFINES.get(name) }).toEqual({ name, value });
  });
});
