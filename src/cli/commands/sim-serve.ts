import { UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, type VerbFlags } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";

interface Served {
  close(): Promise<void>;
}

/** `sim serve`: chip and card model in a process of their own, until a signal. */
export const run: RunVerb = async (context, _operands, flags) => {
  const { socket, usbip } = flags;
  if (isGiven(socket) === isGiven(usbip)) throw nowhere();
  const server = isGiven(usbip)
    ? await (await import("./sim-serve-usbip.js")).startUsbip(context, usbip, flags)
    : await serveSocket(context, String(socket), flags);
  const signal = await nextSignal(context);
  await server.close();
  return signal === "SIGTERM" ? EXIT.terminated : (EXIT.ok as ExitCode);
};

function isGiven(flag: unknown): flag is string {
  return typeof flag === "string" && flag !== "";
}

function nowhere(): UsageError {
  return new UsageError("give either --socket PATH or --usbip [HOST:]PORT", {
    hint: "mmcpstore -d sim:card.img sim serve --socket /tmp/bench.sock, or mmcpstore sim serve --usbip 3240 --card card.img",
  });
}

async function serveSocket(context: Context, path: string, flags: VerbFlags): Promise<Served> {
  const stray = ["bridge", "card", "export"].find((name) => flags[name] !== undefined);
  if (stray !== undefined)
    throw new UsageError(`--${stray} goes with --usbip`, {
      hint: "a socket serves the device of -d: -d sim:card.img?bridge=ft232h",
    });
  const { serveSim } = await import("../../device/serve.js");
  const server = await serveSim(context.settings.device, path, context.settings.readOnly);
  note(
    context,
    `serving ${server.name} on ${path}; use it with -d sim:unix:${path}; Ctrl-C ends it`,
  );
  return server;
}

function nextSignal(context: Context): Promise<"SIGINT" | "SIGTERM"> {
  return new Promise((resolve) => {
    const off = context.io.onSignal((signal) => {
      off();
      resolve(signal);
    });
  });
}
