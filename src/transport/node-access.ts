import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { type ErrorCode, errorCode } from "../util/errors.js";
import { TransportError } from "./types.js";

/** Whether this user may open a device node. */
export type NodeAccess = "ok" | "denied" | "missing";

export async function nodeAccess(path: string): Promise<NodeAccess> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return "ok";
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "missing" : "denied";
  }
}

/** How this user gets to open such a node. */
export interface NodeRule {
  /** Group that Debian gives it. */
  readonly group: string;
  /** A udev rule that opens it to whoever is logged in. */
  readonly udev: string;
}

/** @throws TransportError TRANSPORT_NOT_FOUND, TRANSPORT_ACCESS if the node cannot be opened */
export async function requireNode(path: string, rule: NodeRule): Promise<void> {
  const found = await nodeAccess(path);
  if (found === "ok") return;
  const codes: Readonly<Record<"denied" | "missing", ErrorCode>> = {
    denied: "TRANSPORT_ACCESS",
    missing: "TRANSPORT_NOT_FOUND",
  };
  throw new TransportError(
    codes[found],
    found === "missing" ? `${path} does not exist` : `${path} may not be opened by this user`,
    {
      details: { path },
      hint:
        found === "missing"
          ? "plug the adapter in; mmcpstore list shows what is there"
          : `join the group ${rule.group} (sudo usermod -aG ${rule.group} $USER, then log in again), or install the rule ${rule.udev}: mmcpstore udev install`,
    },
  );
}
