import { UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, type VerbFlags } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";

/** `sim serve`: chip and card model in a process of their own, until a signal. */
export const run: RunVerb = async (context, _operands, flags) => {
  const path = socketPath(flags);
  const { serveSim } = await import("../../device/serve.js");
  const server = await serveSim(context.settings.device, path, context.settings.readOnly);
  note(
    context,
    `serving ${server.name} on ${path}; use it with -d sim:unix:${path}; Ctrl-C ends it`,
  );
  const signal = await nextSignal(context);
  await server.close();
  return signal === "SIGTERM" ? EXIT.terminated : (EXIT.ok as ExitCode);
};

function socketPath(flags: VerbFlags): string {
  const { socket } = flags;
  if (typeof socket === "string" && socket !== "") return socket;
  throw new UsageError("--socket PATH is missing", {
    hint: "mmcpstore -d sim:card.img sim serve --socket /tmp/bench.sock",
  });
}

function nextSignal(context: Context): Promise<"SIGINT" | "SIGTERM"> {
  return new Promise((resolve) => {
    const off = context.io.onSignal((signal) => {
      off();
      resolve(signal);
    });
  });
}
