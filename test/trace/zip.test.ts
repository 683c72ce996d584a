import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { unzipSync } from "fflate";
import { zipOf } from "../../src/trace/zip.js";
import { concatBytes } from "../../src/util/bytes.js";

describe("zip archives", () => {
  test("another reader finds every file, byte for byte", () => {
    const entry = fc.record({
      name: fc.stringMatching(/^[a-z0-9-]{1,20}$/),
      data: fc.uint8Array({ maxLength: 2000 }),
    });
    const entries = fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 8 });
    fc.assert(
      fc.property(entries, (files) => {
        const archive = unzipSync(concatBytes([...zipOf(files)]));
        expect(Object.keys(archive).sort()).toEqual(files.map(({ name }) => name).sort());
        for (const { name, data } of files)
          expect(Buffer.from(archive[name] ?? [1, 2, 3])).toEqual(Buffer.from(data));
      }),
    );
  });

  test("the same files give the same archive", () => {
    const files = [{ name: "a", data: new Uint8Array(100_000) }];
    const archive = concatBytes([...zipOf(files)]);
    expect(Buffer.from(concatBytes([...zipOf(files)]))).toEqual(Buffer.from(archive));
    expect(archive.length).toBeLessThan(1000);
  });

  test("what the format cannot count is refused", () => {
    const files = ["a", "b", "c"].map((name) => ({ name, data: Buffer.from(name.repeat(9)) }));
    const size = concatBytes([...zipOf(files.slice(0, 2))]).length;
    const refused = expect.objectContaining({ code: "USAGE", hint: "export it as vcd" });
    expect([...zipOf(files, { bytes: size, entries: 3 })].length).toBeGreaterThan(0);
    expect(() => [...zipOf(files, { bytes: size, entries: 2 })]).toThrow(refused);
    expect(() => [...zipOf(files, { bytes: 100, entries: 3 })]).toThrow(refused);
  });
});
