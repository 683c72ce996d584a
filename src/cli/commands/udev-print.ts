import { DEFAULT_UDEV_GROUP, UDEV_RULES_FILE, udevRules } from "../../device/adapters/udev.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";

/** `udev print`: the rules, for whoever installs them by other means. */
export const run: RunVerb = async (context, _operands, flags) => {
  const group = typeof flags["group"] === "string" ? flags["group"] : DEFAULT_UDEV_GROUP;
  const rules = udevRules(group);
  if (context.settings.json)
    await writeJson(context, "udev-print", { group, file: UDEV_RULES_FILE, rules });
  else await context.io.writeOut(rules);
  return EXIT.ok;
};
