import {
  type AdapterSummary,
  BLOCK_SIZE,
  type CardIdentity,
  type OpenedDevice,
  type PartitionTable,
  readTable,
} from "../../index.js";
import { isMmcpstoreError, type MmcpstoreError } from "../../util/errors.js";
import { formatSize } from "../../util/size.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatPairs } from "../format/table.js";
import { withDevice } from "../session.js";
import { tableText } from "./part-list.js";

type Pair = readonly [string, string];

/** `info`: adapter, card registers, capacity, partition table. */
export const run: RunVerb = async (context) => {
  await withDevice(context, "read", async (device) => {
    const table = await readTable(device.block).catch(damagedTable);
    if (context.settings.json) await writeJson(context, "info", infoJson(device, table));
    else await context.io.writeOut(infoText(device, table));
  });
  return EXIT.ok;
};

/** A table, or why there is none to be read: everything else can be told all the same. */
type TableRead = PartitionTable | MmcpstoreError;

function damagedTable(error: unknown): MmcpstoreError {
  if (isMmcpstoreError(error) && error.code === "TABLE_DAMAGED") return error;
  throw error;
}

function infoJson({ name, adapter, card, block }: OpenedDevice, table: TableRead): object {
  return {
    device: name,
    adapter: adapter ?? null,
    card: card?.identity ?? null,
    capacity: { blockCount: block.blockCount, bytes: block.blockCount * BLOCK_SIZE },
    allocationUnitBlocks: block.hints.allocationUnitBlocks ?? null,
    ...(isMmcpstoreError(table)
      ? { table: null, tableError: { code: table.code, message: table.message } }
      : { table }),
  };
}

function infoText(device: OpenedDevice, table: TableRead): string {
  const { name, adapter, card, block } = device;
  const pairs: Pair[] = [["device", name]];
  if (adapter !== undefined) pairs.push(["adapter", adapterText(adapter)]);
  if (card !== undefined) pairs.push(...cardPairs(card.identity));
  const bytes = block.blockCount * BLOCK_SIZE;
  pairs.push(["capacity", `${bytes} bytes (${formatSize(bytes)}), ${block.blockCount} blocks`]);
  return `${formatPairs(pairs)}${isMmcpstoreError(table) ? damageText(table) : partitionsText(table)}`;
}

function damageText({ message, hint }: MmcpstoreError): string {
  return `warning: ${message}${hint === undefined ? "" : `; ${hint}`}\n`;
}

function partitionsText(table: PartitionTable): string {
  const findings = table.findings.map(({ message }) => `warning: ${message}\n`).join("");
  if (table.kind === "none") return `${findings}no partition table\n`;
  return `${findings}\n${table.kind.toUpperCase()} ${table.diskId ?? ""}\n${tableText(table)}`;
}

function adapterText({ chip, serialNumber, portPath, path, frequencyHz }: AdapterSummary): string {
  const serial = serialNumber === undefined ? "" : ` ${serialNumber}`;
  const place = path ?? portPath;
  const where = place === undefined ? "" : ` at ${place}`;
  return `${chip}${serial}${where}, ${(frequencyHz / 1e6).toFixed(2)} MHz`;
}

function cardPairs(card: CardIdentity): Pair[] {
  const { cid, csd, ocr, scr, ssr } = card;
  const made = `${cid.manufactured.year}-${String(cid.manufactured.month).padStart(2, "0")}`;
  const pairs: Pair[] = [
    [
      "card",
      `${card.kind}, specification ${card.specVersion}, CRC ${card.crc} (integrity class ${card.integrityClass})${card.writeProtected === "no" ? "" : `, write-protected (${card.writeProtected})`}`,
    ],
    ["CID", `${cid.raw}`],
    [
      "",
      `${cid.manufacturer ?? "unknown maker"} (0x${cid.manufacturerId.toString(16)}), OEM ${cid.oemId ?? "-"}, ${cid.productName.trim()} ${cid.productRevision}, serial 0x${cid.serialNumber.toString(16).padStart(8, "0")}, made ${made}`,
    ],
    ["CSD", csd.raw],
    [
      "",
      `${csd.maxFrequencyHz / 1e6} MHz, command classes ${csd.classes.join(" ")}, read block ${csd.readBlockLength}, erase unit ${csd.eraseUnitBlocks} blocks`,
    ],
    [
      "OCR",
      `${ocr.raw.toString(16).padStart(8, "0")}  ${ocr.supplyMv === undefined ? "" : `${ocr.supplyMv.min}-${ocr.supplyMv.max} mV, `}${ocr.highCapacity ? "block" : "byte"} addresses`,
    ],
  ];
  if (scr !== undefined)
    pairs.push([
      "SCR",
      `${scr.raw}  version ${scr.specVersion}, bus widths ${scr.busWidths.join(" ")}, erased reads ${scr.erasedByte === 0 ? "00" : "FF"}`,
    ]);
  if (ssr !== undefined)
    pairs.push([
      "SSR",
      `speed class ${ssr.speedClass ?? "-"}, allocation unit ${ssr.allocationUnitBytes === undefined ? "unknown" : formatSize(ssr.allocationUnitBytes)}`,
    ]);
  return pairs;
}
