import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import fsPromises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from "@jest/globals";
import { transformFileSync } from "@swc/core";
import { acquireLock } from "../../src/util/lock.js";

const SOURCES = join(__dirname, "..", "..", "src", "util");
/** Prints `held` or the error's code, then holds the lock until it is killed. */
const HOLDER = `import { acquireLock } from "./lock.js";
try {
  const lock = await acquireLock(process.argv[2], "the thing");
  console.log(lock.wasStale ? "held stale" : "held");
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(error.code);
}`;

let program: string;
let folder: string;
let path: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  program = mkdtempSync(join(tmpdir(), "mmcpstore-lock-program-"));
  writeFileSync(join(program, "package.json"), '{"type": "module"}');
  for (const name of ["lock", "errors"]) {
    const { code } = transformFileSync(join(SOURCES, `${name}.ts`), {
      module: { type: "es6" },
      jsc: { target: "es2022", parser: { syntax: "typescript" } },
    });
    writeFileSync(join(program, `${name}.js`), code);
  }
  writeFileSync(join(program, "holder.js"), HOLDER);
});
afterAll(() => rmSync(program, { recursive: true }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mmcpstore-lock-"));
  path = join(folder, "thing.lock");
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(folder, { recursive: true });
});

/** Starts another process that takes the lock; gives what it says. */
function holder(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [join(program, "holder.js"), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.stdout?.once("data", (data) => resolve({ child, said: String(data).trim() }));
  });
}

function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

function deadHolder(): string {
  return "4194303 12345 00112233445566aa\n";
}

describe("one process", () => {
  test("a lock is held once, and free after release", async () => {
    const lock = await acquireLock(path, "the thing");
    expect(lock.wasStale).toBe(false);
    await expect(acquireLock(path, "the thing")).rejects.toMatchObject({
      code: "LOCKED",
      message: "the thing is in use by this process already",
    });
    await lock.release();
    await lock.release();
    const again = await acquireLock(path, "the thing");
    await again.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("the file names the process and its start time", async () => {
    const lock = await acquireLock(path, "the thing");
    const [pid, start] = readFileSync(path, "utf8").split(" ");
    expect(pid).toBe(String(process.pid));
    const stat = readFileSync("/proc/self/stat", "utf8");
    expect(start).toBe(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    await lock.release();
  });

  test("a dead holder's lock is taken over", async () => {
    writeFileSync(path, deadHolder());
    const lock = await acquireLock(path, "the thing");
    expect(lock.wasStale).toBe(true);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("so is that of a living process with the pid of a dead one", async () => {
    writeFileSync(path, `${process.pid} 1 00112233445566aa\n`);
    const lock = await acquireLock(path, "the thing");
    expect(lock.wasStale).toBe(true);
    await lock.release();
  });

  test("a holder whose start time is not known counts as alive while its pid lives", async () => {
    writeFileSync(path, `${process.pid} - 00112233445566aa\n`);
    await expect(acquireLock(path, "the thing")).rejects.toMatchObject({ code: "LOCKED" });
  });

  test.each(["", "not a lock\n", "12 34\n"])(
    "what is no lock of ours is not deleted: %j",
    async (text) => {
      writeFileSync(path, text);
      await expect(acquireLock(path, "the thing")).rejects.toMatchObject({
        code: "LOCKED",
        hint: `if nothing uses it, delete ${path}`,
      });
      expect(readFileSync(path, "utf8")).toBe(text);
    },
  );

  test("a taker that died while taking over does not block the next", async () => {
    writeFileSync(path, deadHolder());
    writeFileSync(`${path}.00112233445566aa`, "4194302 12345 00112233445566bb\n");
    const lock = await acquireLock(path, "the thing");
    expect(lock.wasStale).toBe(true);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a release leaves another's lock alone", async () => {
    const lock = await acquireLock(path, "the thing");
    rmSync(path);
    writeFileSync(path, deadHolder());
    await lock.release();
    expect(readFileSync(path, "utf8")).toBe(deadHolder());
  });

  test.each(["EPERM", "ENOTSUP"])("on a file system without hard links (%s)", async (code) => {
    const link = jest
      .spyOn(fsPromises, "link")
      .mockRejectedValue(Object.assign(new Error("no links here"), { code }));
    try {
      const lock = await acquireLock(path, "the thing");
      await expect(acquireLock(path, "the thing")).rejects.toMatchObject({ code: "LOCKED" });
      await lock.release();
      writeFileSync(path, deadHolder());
      const again = await acquireLock(path, "the thing");
      expect(again.wasStale).toBe(true);
      await again.release();
      expect(link).toHaveBeenCalled();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      link.mockRestore();
    }
  });

  test("takers that died one after the other, without end", async () => {
    let name = path;
    for (let taker = 0; taker < 8; taker++) {
      const nonce = `00112233445566${String(taker).padStart(2, "0")}`;
      writeFileSync(name, `4194303 12345 ${nonce}\n`);
      name = `${name}.${nonce}`;
    }
    await expect(acquireLock(path, "the thing")).rejects.toMatchObject({ code: "LOCKED" });
  });

  test("a folder that is not there", async () => {
    await expect(acquireLock(join(folder, "no", "x.lock"), "the thing")).rejects.toMatchObject({
      code: "IO",
      hint: "its folder must exist and be writable",
    });
  });

  test.each([false, true])("of many at once one gets it (stale: %s)", async (stale) => {
    for (let round = 0; round < 20; round++) {
      if (stale) writeFileSync(path, deadHolder());
      const tries = await Promise.allSettled(
        Array.from({ length: 12 }, () => acquireLock(path, "the thing")),
      );
      const won = tries.filter((attempt) => attempt.status === "fulfilled");
      expect({ round, won: won.length }).toEqual({ round, won: 1 });
      for (const { value } of won) await value.release();
      expect({ round, left: readdirSync(folder) }).toEqual({ round, left: [] });
    }
  });
});

describe("several processes", () => {
  test("the other's lock is refused with its pid, and taken over once it was killed", async () => {
    const { child, said } = await holder();
    expect(said).toBe("held");
    await expect(acquireLock(path, "the thing")).rejects.toMatchObject({
      code: "LOCKED",
      message: `the thing is in use by process ${child.pid}`,
      details: { pid: child.pid },
      hint: `wait until process ${child.pid} has ended, or end it`,
    });
    await kill(child);
    expect(existsSync(path)).toBe(true);
    const lock = await acquireLock(path, "the thing");
    expect(lock.wasStale).toBe(true);
    await lock.release();
  });

  test("of several that find the lock of a killed one, one takes it over", async () => {
    const first = await holder();
    await kill(first.child);
    const others = await Promise.all([holder(), holder(), holder(), holder()]);
    expect(others.map(({ said }) => said).sort()).toEqual([
      "LOCKED",
      "LOCKED",
      "LOCKED",
      "held stale",
    ]);
  });
});
