import { join } from "node:path";
import type { CliIo } from "./io.js";

/** Where our own firmware may be: where the environment says, beside this program, here. */
export function firmwarePlaces({ env, packageRoot }: Pick<CliIo, "env" | "packageRoot">): string[] {
  const said = env["MMCPSTORE_FIRMWARE"];
  const own = packageRoot === undefined ? [] : [join(packageRoot, "firmware")];
  return [...(said === undefined || said === "" ? [] : [said]), ...own, "firmware"];
}
