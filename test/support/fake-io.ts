import type { CliIo } from "../../src/cli/io.js";
import { runCli } from "../../src/cli/program.js";

export interface FakeIoOptions {
  readonly stdin?: Uint8Array | string;
  readonly terminal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** What is typed when asked. */
  readonly answer?: string;
}

/** A process that remembers what was printed. */
export class FakeIo implements CliIo {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly columns: number = 80;
  readonly env: CliIo["env"];
  readonly questions: string[] = [];
  readonly #out: Buffer[] = [];
  readonly #answer: string;
  #err = "";
  #handlers: ((signal: "SIGINT" | "SIGTERM") => void)[] = [];

  constructor(options: FakeIoOptions = {}) {
    const { stdin = "", terminal = false, env = {}, answer = "" } = options;
    this.stdin = once(Buffer.from(stdin as string));
    this.stdinIsTerminal = terminal;
    this.stdoutIsTerminal = terminal;
    this.stderrIsTerminal = terminal;
    // No configuration file of whoever runs the tests.
    this.env = { XDG_CONFIG_HOME: "/nonexistent", ...env };
    this.#answer = answer;
  }

  async writeOut(data: string | Uint8Array): Promise<void> {
    this.#out.push(Buffer.from(data as string));
  }

  writeErr(text: string): void {
    this.#err += text;
  }

  async ask(question: string): Promise<string> {
    this.questions.push(question);
    return this.#answer;
  }

  onSignal(handle: (signal: "SIGINT" | "SIGTERM") => void): () => void {
    this.#handlers.push(handle);
    return () => {
      this.#handlers = this.#handlers.filter((other) => other !== handle);
    };
  }

  signal(signal: "SIGINT" | "SIGTERM"): void {
    for (const handle of this.#handlers) handle(signal);
  }

  get outBytes(): Buffer {
    return Buffer.concat(this.#out);
  }

  get out(): string {
    return this.outBytes.toString("utf8");
  }

  get err(): string {
    return this.#err;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

export interface CliRun {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  readonly io: FakeIo;
}

/** Runs one command line to its end. */
export async function cli(args: readonly string[], options: FakeIoOptions = {}): Promise<CliRun> {
  const io = new FakeIo(options);
  const exit = await runCli(args, io);
  return { exit, out: io.out, err: io.err, io };
}
