import { createInterface } from "node:readline/promises";
import type { CliIo } from "./io.js";

/** The real process. */
export function nodeIo(packageRoot: string): CliIo {
  const { stdin, stdout, stderr, env } = process;
  ignoreClosedPipe();
  return {
    writeOut: (data) =>
      new Promise((resolve) => {
        if (stdout.write(data)) resolve();
        else stdout.once("drain", resolve);
      }),
    writeErr: (text) => void stderr.write(text),
    stdin,
    stdinIsTerminal: stdin.isTTY === true,
    stdoutIsTerminal: stdout.isTTY === true,
    stderrIsTerminal: stderr.isTTY === true,
    columns: stderr.columns ?? 80,
    env,
    packageRoot,
    ask,
    onSignal,
  };
}

/** `mmcpstore ... | head` closes our stdout early; that is no failure of ours. */
function ignoreClosedPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

function onSignal(handle: (signal: "SIGINT" | "SIGTERM") => void): () => void {
  const interrupt = (): void => handle("SIGINT");
  const terminate = (): void => handle("SIGTERM");
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  return () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", terminate);
  };
}
