import { tmpdir } from "node:os";
import { benchTarget } from "../device/doctor/target.js";
import type { BenchTarget } from "../device/doctor/types.js";
import { UsageError } from "../util/errors.js";
import type { Context } from "./context.js";
import { firmwarePlaces } from "./firmware-places.js";
import { openLog } from "./log.js";
import { untilEnd } from "./session.js";

/**
 * Hands the adapter of the command line to `use`, not yet opened, and closes it whatever happened: success, error, Ctrl-C, `--timeout`.
 * @throws UsageError for a device without an adapter, or within `record` and `replay`; what `use` throws
 */
export async function withTarget<T>(
  context: Context,
  use: (target: BenchTarget) => Promise<T>,
): Promise<T> {
  const { settings, launch, io } = context;
  if (launch.device !== undefined || launch.recordTo !== undefined)
    throw new UsageError("this verb is neither recorded nor replayed", {
      hint: "record what it finds wrong: mmcpstore record -o run.cassette -- info",
    });
  const target = benchTarget(settings.device, {
    log: await openLog(context),
    lockDir: io.env["XDG_RUNTIME_DIR"] ?? tmpdir(),
    voltageChecked: settings.voltageChecked,
    firmwarePlaces: firmwarePlaces(io),
    ...(settings.waitMs === undefined ? {} : { waitMs: settings.waitMs }),
  });
  try {
    return await untilEnd(context, use(target));
  } finally {
    await target.close();
  }
}
