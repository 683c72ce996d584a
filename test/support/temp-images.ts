import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { kernelImage } from "./kernel-images.js";

/** A folder for one test file. */
export class TempFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), "mmcpstore-test-"));

  /** A path in it. */
  at(name: string): string {
    return join(this.path, name);
  }

  write(name: string, bytes: Uint8Array | string): string {
    writeFileSync(this.at(name), bytes);
    return this.at(name);
  }

  /** A fresh copy of an image that a kernel made. */
  kernelImage(name: string, as: string = `${name}.img`): string {
    const { file } = kernelImage(name);
    return this.write(as, gunzipSync(readFileSync(join("test", "data", "images", file))));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** The size options of an image that a kernel made. */
export function sizeOptions(name: string): string[] {
  const { params } = kernelImage(name);
  const sizes = {
    kmsg: params.kmsgSize,
    pmsg: params.pmsgSize,
    console: params.consoleSize,
    ftrace: params.ftraceSize,
  };
  const given = Object.entries(sizes).flatMap(([kind, kib]) => [`--${kind}-size`, `${kib ?? 0}K`]);
  return [...given, "--cpus", String(params.cpus ?? 1)];
}
