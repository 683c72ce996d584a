#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { nodeIo } from "./node-io.js";
import { VERSION } from "./version.js";

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  process.stdout.write(`${VERSION}\n`);
} else {
  const { runCli } = await import("./program.js");
  process.exitCode = await runCli(args, nodeIo(fileURLToPath(new URL("../..", import.meta.url))));
  // A console that was being watched would keep the process for its next line.
  process.stdin.destroy();
}
