import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { TransportError } from "../../transport/types.js";
import { errorCode } from "../../util/errors.js";
import type { AdapterData, AdapterUsbId } from "./data-types.js";
import type { StepOutcome } from "./outcome.js";
import { DEFAULT_UDEV_GROUP, udevRulesFor } from "./udev.js";

/** What the system says of a device node; tests give their own. */
export interface NodeSystem {
  /** undefined if there is none. */
  stat(
    path: string,
  ): Promise<{ readonly uid: number; readonly gid: number; readonly mode: number } | undefined>;
  /** True if this process may read and write it: access lists (uaccess) count. */
  mayUse(path: string): Promise<boolean>;
  /** Group files as /etc/group has them. */
  groupFile(): Promise<string>;
  /** Groups of this process. */
  groups(): readonly number[];
}

export const REAL_NODES: NodeSystem = {
  stat: async (path) => {
    try {
      return await stat(path);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  },
  mayUse: async (path) => {
    try {
      await access(path, constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
  groupFile: () => readFile("/etc/group", "utf8").catch(() => ""),
  groups: () => [...(process.getgroups?.() ?? []), process.getegid?.() ?? -1],
};

/** Which device the node belongs to, so that the udev line can be named. */
export interface NodeOwner {
  readonly adapter: AdapterData | undefined;
  readonly id: AdapterUsbId | undefined;
}

/**
 * May this process use the node?
 * @throws TransportError TRANSPORT_ACCESS with owner, group and mode, and the udev line that helps
 */
export async function checkNode(
  path: string,
  { adapter, id }: NodeOwner,
  system: NodeSystem = REAL_NODES,
): Promise<StepOutcome> {
  const facts = await system.stat(path);
  if (facts === undefined)
    return { finding: `${path} does not exist: another way leads to the device here` };
  if (await system.mayUse(path)) return { finding: `${path} may be read and written` };
  const names = groupNames(await system.groupFile());
  const group = names.get(facts.gid) ?? String(facts.gid);
  const mode = (facts.mode & 0o7777).toString(8).padStart(4, "0");
  const owner = facts.uid === 0 ? "root" : String(facts.uid);
  const groupMay = (facts.mode & 0o060) === 0o060 && facts.gid !== 0;
  const isMember = system.groups().includes(facts.gid);
  const why =
    groupMay && !isMember ? `, and this user is not in the group ${group}` : ", for nobody else";
  throw new TransportError("TRANSPORT_ACCESS", `${path} is ${owner}:${group} ${mode}${why}`, {
    details: { path, owner, group, mode },
    hint: fixOf({ groupMay: groupMay && !isMember, group, adapter, id }),
  });
}

function fixOf(about: NodeOwner & { readonly groupMay: boolean; readonly group: string }): string {
  const { groupMay, group, adapter, id } = about;
  const join = groupMay ? `sudo usermod -aG ${group} $USER and log in again, or ` : "";
  const rules =
    adapter === undefined || id === undefined
      ? []
      : udevRulesFor(id, adapter, groupMay ? group : DEFAULT_UDEV_GROUP);
  const line = rules.at(-1);
  return `${join}sudo mmcpstore udev install and plug it in again${line === undefined ? "" : `; the rule is: ${line}`}`;
}

/** `plugdev:x:46:user` */
function groupNames(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , gid] = line.split(":");
    if (name !== undefined && gid !== undefined && /^\d+$/.test(gid)) names.set(Number(gid), name);
  }
  return names;
}
