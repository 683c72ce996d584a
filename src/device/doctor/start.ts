import type { BridgeFamily } from "../../transport/cassette.js";
import { isMmcpstoreError } from "../../util/errors.js";
import { openBridge } from "../families.js";
import type { StartedBridge } from "./types.js";

type BridgeParts = Parameters<typeof openBridge>[1];

/** Drivers whose start-up sends patterns through a loopback of the chip. */
const WITH_LOOPBACK: readonly BridgeFamily[] = ["ftdi"];

/**
 * Starts a driver.
 * @throws what the driver throws; {@link isLoopbackFailure} tells which step that was
 */
export async function startBridge(
  family: BridgeFamily,
  parts: BridgeParts,
): Promise<StartedBridge> {
  const bridge = await openBridge(family, parts);
  const loopback = WITH_LOOPBACK.includes(family)
    ? { finding: "patterns of 1 to 1500 bytes came back unchanged" }
    : { finding: `the ${bridge.chip.name} has no loopback: nothing to test without a card` };
  return { bridge, loopback };
}

/** The driver was in step, and then its loopback test failed. */
export function isLoopbackFailure(error: unknown): boolean {
  if (!isMmcpstoreError(error)) return false;
  const { label, at } = error.details;
  if (error.code === "BRIDGE_PROTOCOL") return at !== undefined && "sent" in error.details;
  return typeof label === "string" && label.startsWith("loopback");
}
