import { UsageError } from "../../util/errors.js";
import type { BenchDeps } from "../adapters/found.js";
import { ANY_ADAPTER, type DeviceSpec, parseDeviceSpec } from "../spec.js";
import { AdapterTarget, type TargetOptions } from "./adapter-target.js";
import { SimTarget, SocketTarget } from "./sim-target.js";
import type { BenchTarget } from "./types.js";

/**
 * What a device string names, to be gone through a step at a time; without one, the only adapter that is plugged in.
 * @throws UsageError for a malformed string, and for what has no adapter
 */
export function benchTarget(
  text: string | undefined,
  options: TargetOptions,
  deps: BenchDeps = {},
): BenchTarget {
  const spec: DeviceSpec = text === undefined ? ANY_ADAPTER : parseDeviceSpec(text);
  switch (spec.kind) {
    case "adapter":
      return new AdapterTarget(spec, options, deps);
    case "sim":
      return new SimTarget(spec, options.log, options.firmwarePlaces);
    case "sim-socket":
      return new SocketTarget(spec.path, options.log);
    case "image":
    case "replay":
      throw new UsageError(`${text} has no adapter to look at`, {
        details: { device: text },
        hint: "name an adapter (-d ft232h), or a simulated one (-d sim:card.img)",
      });
  }
}
