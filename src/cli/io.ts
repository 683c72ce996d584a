/** All that the command line sees of its process; tests hand in their own. */
export interface CliIo {
  /** Results only. Resolves when the reader keeps up. */
  writeOut(data: string | Uint8Array): Promise<void>;
  /** Everything that is not a result. */
  writeErr(text: string): void;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Width of the terminal in columns. */
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of this package, where it is known. */
  readonly packageRoot?: string;
  /** Asks a question on the terminal; the typed line without its newline. */
  ask(question: string): Promise<string>;
  /** Calls back at SIGINT and SIGTERM until the returned function is called. */
  onSignal(handle: (signal: "SIGINT" | "SIGTERM") => void): () => void;
}

/** True if colour is wanted on a stream (no-color.org; `FORCE_COLOR` wins over the terminal test). */
export function wantsColour(env: CliIo["env"], isTerminal: boolean): boolean {
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined && forced !== "" && forced !== "0") return true;
  return isTerminal && env["TERM"] !== "dumb";
}
