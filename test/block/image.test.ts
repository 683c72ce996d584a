import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type ImageBlockDevice, openImage } from "../../src/block/image.js";
import type { ImageOptions } from "../../src/block/image-file.js";
import { EXIT_OF_ERROR } from "../../src/cli/exit-codes.js";
import { SimClock } from "../../src/sim/clock.js";
import type { ErrorCode } from "../../src/util/errors.js";
import { errorOf } from "./support.js";

let folder: string;
let path: string;
const clock = new SimClock();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mmcpstore-image-"));
  chmodSync(folder, 0o777);
  path = join(folder, "card.img");
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(options: Partial<ImageOptions> = {}, at: string = path): Promise<ImageBlockDevice> {
  return openImage(at, { readOnly: false, clock, ...options });
}

/** Runs `work` as a user to whom permissions apply; root is above them. */
async function asUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

function block(fill: number, count = 1): Uint8Array {
  return new Uint8Array(512 * count).fill(fill);
}

describe("an image", () => {
  test("is made sparse, written, read back, and is a plain file", async () => {
    const image = await open({ createBytes: 64 * 1024 * 1024 });
    expect(image.blockCount).toBe(131_072);
    await image.write(3, block(0xa5, 2));
    await image.write(131_071, block(0x5a));
    await image.flush();
    const back = block(0, 3);
    await image.read(2, back);
    expect(back).toEqual(Uint8Array.from([...block(0), ...block(0xa5, 2)]));
    await image.close();
    expect(statSync(path).size).toBe(64 * 1024 * 1024);
    expect(statSync(path).blocks * 512).toBeLessThan(1024 * 1024);
    expect(readFileSync(path)[131_071 * 512]).toBe(0x5a);
    expect(readdirSync(folder)).toEqual(["card.img"]);
  });

  test("calls without waiting happen in their order", async () => {
    const image = await open({ createBytes: 1024 * 1024 });
    const seen = block(0);
    const calls = [];
    for (let i = 1; i <= 20; i++) calls.push(image.write(0, block(i)));
    calls.push(image.read(0, seen), image.write(0, block(99)), image.close());
    await Promise.all(calls);
    expect(seen).toEqual(block(20));
    expect(readFileSync(path)[0]).toBe(99);
  });

  test("one failing call does not stop the next", async () => {
    const image = await open({ createBytes: 4096 });
    truncateSync(path, 0);
    const failing = errorOf(image.read(0, block(0)));
    const next = image.flush();
    expect(await failing).toMatchObject({ code: "IMAGE_INVALID" });
    await next;
    truncateSync(path, 4096);
    await image.write(0, block(1));
    await image.close();
  });

  test("erase leaves zeros, more than one slice of them", async () => {
    const image = await open({ createBytes: 3 * 1024 * 1024 });
    await image.write(0, block(0xff, 6144));
    await image.erase(1, 6142);
    await image.close();
    const bytes = readFileSync(path);
    expect([bytes[511], bytes[512], bytes[6143 * 512 - 1], bytes[6143 * 512]]).toEqual([
      0xff, 0, 0, 0xff,
    ]);
    expect(bytes.subarray(512, 6143 * 512).every((byte) => byte === 0)).toBe(true);
  });

  test("time on the device's clock does not pass while a file call is open", async () => {
    const image = await open({ createBytes: 4096 });
    let late = false;
    clock.timer(1, () => {
      late = true;
    });
    await image.read(0, block(0)).then(() => expect(late).toBe(false));
    await clock.sleep(1);
    expect(late).toBe(true);
    await image.close();
  });

  test("a closed image refuses", async () => {
    const image = await open({ createBytes: 4096 });
    await image.close();
    await image.close();
    expect(await errorOf(image.read(0, block(0)))).toMatchObject({ code: "INTERNAL" });
  });
});

describe("a range or a write that must not be", () => {
  test.each([
    [8, 512],
    [7, 1024],
    [-1, 512],
    [0.5, 512],
    [0, 100],
  ])("block %d, %d bytes", async (lba, bytes) => {
    const image = await open({ createBytes: 4096 });
    expect(await errorOf(image.read(lba, new Uint8Array(bytes)))).toMatchObject({
      code: "BLOCK_RANGE",
    });
    expect(await errorOf(image.write(lba, new Uint8Array(bytes)))).toMatchObject({
      code: "BLOCK_RANGE",
    });
    await image.close();
    expect(statSync(path).size).toBe(4096);
  });

  test("read-only", async () => {
    writeFileSync(path, block(7, 8));
    const image = await open({ readOnly: true });
    expect(image.readOnly).toBe(true);
    expect(await errorOf(image.write(0, block(1)))).toMatchObject({ code: "BLOCK_READ_ONLY" });
    expect(await errorOf(image.erase(0, 1))).toMatchObject({ code: "BLOCK_READ_ONLY" });
    await image.flush();
    await image.close();
    expect(readFileSync(path).every((byte) => byte === 7)).toBe(true);
  });
});

describe("locks", () => {
  test("a second writer is refused, readers are not; close frees it", async () => {
    const writer = await open({ createBytes: 4096 });
    const second = await errorOf(open());
    expect(second).toMatchObject({ code: "LOCKED" });
    expect(second.message).toBe(`the image ${path} is in use by this process already`);
    const reader = await open({ readOnly: true });
    await reader.close();
    await writer.close();
    await (await open()).close();
  });

  test("one lock whatever the path", async () => {
    const writer = await open({ createBytes: 4096 });
    const link = join(folder, "link.img");
    symlinkSync(path, link);
    expect(await errorOf(open({}, link))).toMatchObject({ code: "LOCKED" });
    expect(await errorOf(open({}, join(folder, ".", "x", "..", "card.img")))).toMatchObject({
      code: "LOCKED",
    });
    await writer.close();
  });

  test("that of a dead process is taken over, and said", async () => {
    writeFileSync(path, block(0, 8));
    writeFileSync(`${path}.lock`, "4194303 12345 00112233445566aa\n");
    const image = await open();
    expect(image.tookOverLock).toBe(true);
    await image.close();
    expect(readdirSync(folder)).toEqual(["card.img"]);
  });
});

interface BadImage {
  readonly what: string;
  readonly make: () => void;
  readonly options?: Partial<ImageOptions>;
  /** Opened by a user who is not root. */
  readonly user?: true;
  readonly code: ErrorCode;
  readonly exit: number;
  readonly message: string;
}

const BAD: readonly BadImage[] = [
  {
    what: "missing",
    make: () => undefined,
    code: "IMAGE_MISSING",
    exit: 3,
    message: "there is no image PATH",
  },
  {
    what: "missing, read-only and to be made",
    make: () => undefined,
    options: { readOnly: true, createBytes: 4096 },
    code: "IMAGE_MISSING",
    exit: 3,
    message: "there is no image PATH",
  },
  {
    what: "a directory",
    make: () => mkdirSync(path),
    code: "IMAGE_INVALID",
    exit: 4,
    message: "the image PATH is a directory",
  },
  {
    what: "a device",
    make: () => symlinkSync("/dev/null", path),
    code: "IMAGE_INVALID",
    exit: 4,
    message: "the image PATH is no regular file",
  },
  {
    what: "empty",
    make: () => writeFileSync(path, ""),
    code: "IMAGE_INVALID",
    exit: 4,
    message: "the image PATH is empty",
  },
  {
    what: "no whole number of blocks",
    make: () => writeFileSync(path, new Uint8Array(1000)),
    code: "IMAGE_INVALID",
    exit: 4,
    message: "the image PATH has 1000 bytes, which is no multiple of 512",
  },
  {
    what: "there with another size",
    make: () => writeFileSync(path, new Uint8Array(4096)),
    options: { createBytes: 1024 * 1024 },
    code: "IMAGE_INVALID",
    exit: 4,
    message: "the image PATH is there already, with 4 KiB instead of 1 MiB",
  },
  {
    what: "to be made with half a block",
    make: () => undefined,
    options: { createBytes: 1000 },
    code: "IMAGE_INVALID",
    exit: 4,
    message: "the image PATH has 1000 bytes, which is no multiple of 512",
  },
  {
    what: "read-only, opened for writing",
    user: true,
    make: () => {
      writeFileSync(path, block(0));
      chmodSync(path, 0o444);
    },
    code: "BLOCK_READ_ONLY",
    exit: 8,
    message: "the image PATH is read-only",
  },
  {
    what: "read-only, in a read-only folder",
    user: true,
    make: () => {
      writeFileSync(path, block(0));
      chmodSync(path, 0o444);
      chmodSync(folder, 0o555);
    },
    code: "BLOCK_READ_ONLY",
    exit: 8,
    message: "the image PATH is read-only",
  },
  {
    what: "not readable",
    user: true,
    make: () => {
      writeFileSync(path, block(0));
      chmodSync(path, 0);
    },
    options: { readOnly: true },
    code: "IMAGE_ACCESS",
    exit: 4,
    message: "the image PATH cannot be opened (EACCES)",
  },
  {
    what: "writable in a folder where no lock can be made",
    user: true,
    make: () => {
      writeFileSync(path, block(0));
      chmodSync(path, 0o666);
      chmodSync(folder, 0o555);
    },
    code: "IMAGE_ACCESS",
    exit: 4,
    message: "the image PATH cannot be opened (IO)",
  },
  {
    what: "to be made in a file",
    make: () => undefined,
    options: { createBytes: 4096 },
    code: "IMAGE_ACCESS",
    exit: 4,
    message: "the image PATH/x cannot be opened (ENOTDIR)",
  },
];

describe("bad images: one line, the exit code, nothing left behind", () => {
  test.each(BAD)("$what", async ({ make, options, user, code, exit, message, what }) => {
    make();
    const inFile = what === "to be made in a file";
    if (inFile) writeFileSync(path, block(0));
    const before = readdirSync(folder);
    const at = inFile ? join(path, "x") : path;
    const attempt = (): ReturnType<typeof errorOf> => errorOf(open(options, at));
    const error = await (user ? asUser(attempt) : attempt());
    expect(error).toMatchObject({ code, message: message.replace("PATH", path) });
    expect(error.hint).toBeTruthy();
    expect(EXIT_OF_ERROR[code]).toBe(exit);
    expect(readdirSync(folder)).toEqual(before);
    chmodSync(folder, 0o777);
  });

  test("cut off while it is open: reading and writing say so, and it does not grow again", async () => {
    const image = await open({ createBytes: 8192 });
    truncateSync(path, 4096);
    for (const work of [image.read(7, block(0, 2)), image.read(15, block(0))])
      expect(await errorOf(work)).toMatchObject({ code: "IMAGE_INVALID" });
    const message = `${path} has become shorter while it was open`;
    expect(await errorOf(image.write(15, block(1)))).toMatchObject({
      code: "IMAGE_INVALID",
      message,
    });
    expect(await errorOf(image.erase(15, 1))).toMatchObject({ code: "IMAGE_INVALID", message });
    await image.close();
    expect(statSync(path).size).toBe(4096);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});
