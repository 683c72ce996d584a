import { BLOCK_SIZE } from "../../block/device.js";
import type { CardIdentity } from "../../card/identity.js";
import { formatSize } from "../../util/size.js";

/** `SDHC card of 7.4 GiB, SanDisk SU08G` */
export function describeCard({ kind, cid, blockCount }: CardIdentity): string {
  const maker = cid.manufacturer ?? `maker 0x${cid.manufacturerId.toString(16).padStart(2, "0")}`;
  return `${kind} card of ${formatSize(blockCount * BLOCK_SIZE)}, ${maker} ${cid.productName.trim()}`;
}

/** `15 MHz`, `4.29 MHz`, `190.48 kHz`, `458 Hz` */
export function describeClock(hz: number): string {
  if (hz >= 1e6) return `${Number((hz / 1e6).toFixed(2))} MHz`;
  return hz >= 1e3 ? `${Number((hz / 1e3).toFixed(2))} kHz` : `${Math.round(hz)} Hz`;
}
