import { execFileSync, spawn } from "node:child_process";
import { lstatSync, readFileSync, symlinkSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { openSink, openSource } from "../../src/cli/data-io.js";
import { FakeIo } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());
const data = Uint8Array.from({ length: 700 }, (_, at) => at & 0xff);

function fifo(name: string): string {
  execFileSync("mkfifo", [folder.at(name)]);
  return folder.at(name);
}

describe("what a verb writes", () => {
  it("appears under its name when it is complete, not before", async () => {
    const path = folder.at("new.bin");
    const sink = await openSink(new FakeIo(), path);
    await sink.write(data);
    expect(() => lstatSync(path)).toThrow();
    await sink.finish();
    expect(readFileSync(path)).toEqual(Buffer.from(data));
  });

  it("is gone without a trace if it is given up, and what was there stays", async () => {
    const path = folder.write("old.bin", "old");
    const sink = await openSink(new FakeIo(), path);
    await sink.write(data);
    await sink.abandon();
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(() => lstatSync(`${path}.part`)).toThrow();
  });

  it("goes where a link leads", async () => {
    const target = folder.write("target.bin", "old");
    const link = folder.at("link.bin");
    symlinkSync(target, link);
    const sink = await openSink(new FakeIo(), link);
    await sink.write(data);
    await sink.finish();
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(target)).toEqual(Buffer.from(data));
  });

  it.each(["finish", "abandon"] as const)(
    "goes through a pipe, which stays one (%s)",
    async (end) => {
      const path = fifo(`out-${end}`);
      const reader = spawn("cat", [path], { stdio: ["ignore", "pipe", "inherit"] });
      const got: Buffer[] = [];
      reader.stdout.on("data", (part: Buffer) => void got.push(part));
      const ended = new Promise((resolve) => reader.once("close", resolve));
      const sink = await openSink(new FakeIo(), path);
      await sink.write(data);
      await sink[end]();
      await ended;
      expect(Buffer.concat(got)).toEqual(Buffer.from(data));
      expect(lstatSync(path).isFIFO()).toBe(true);
    },
  );
});

describe("what a verb reads", () => {
  it("may come out of a pipe, whose size shows at its end", async () => {
    const path = fifo("in");
    const writer = spawn("sh", ["-c", 'head -c 700 /dev/zero > "$0"', path], { stdio: "inherit" });
    const ended = new Promise((resolve) => writer.once("close", resolve));
    const source = await openSource(new FakeIo(), path, 10_000);
    await ended;
    expect(source.size).toBe(700);
    await source.close();
  });

  it("is refused if a pipe gives more than can be used", async () => {
    const path = fifo("flood");
    const writer = spawn("sh", ["-c", 'head -c 700 /dev/zero > "$0" 2>&1', path], {
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => writer.once("close", resolve));
    await expect(openSource(new FakeIo(), path, 100)).rejects.toMatchObject({ code: "USAGE" });
    await ended;
  });
});
