import { fromHex } from "../../util/bytes.js";
import { csdFacts } from "./csd.js";
import type { CardModelOptions } from "./options.js";
import type { CardRegisters } from "./registers.js";

/** Registers read from cards on sale, CRC bytes and end bits as the card itself sends them. */
interface Dump {
  readonly kind: "sdsc" | "sdhc" | "sdxc";
  readonly cid: string;
  readonly csd: string;
  readonly scr?: string;
  /** The first 16 bytes; zeros follow. */
  readonly ssr?: string;
  readonly ocr?: number;
}

/** Maker and product name (PNM). */
export type RealCardName =
  | "phison-sd16g"
  | "sandisk-ss08g"
  | "lexar-mssd0"
  | "samsung-gd4qt"
  | "samsung-jd1y7"
  | "gigastone-astc"
  | "kingston-sd8gb"
  | "wd-wx64g"
  | "panasonic-y08ag"
  | "sandisk-se32g"
  | "toshiba-sa04g"
  | "samsung-gf8s5"
  | "sandisk-su01g"
  | "atp-2g"
  | "sandisk-su02g"
  | "transcend-usd";

const DUMPS: Readonly<Record<RealCardName, Dump>> = {
  "phison-sd16g": {
    kind: "sdhc",
    cid: "275048534431364730da89b82900fb61",
    csd: "400e00325b59000073a77f800a4000eb",
    scr: "0235800201000000",
  },
  "sandisk-ss08g": {
    kind: "sdhc",
    cid: "035054535330384730daaee8ad00f9bb",
    csd: "400e00325b59000039b77f800a40003b",
    scr: "0235800201000000",
    ocr: 0x00ff8000,
  },
  "lexar-mssd0": {
    kind: "sdxc",
    cid: "ad4c534d535344306133549024718b55",
    csd: "400e0032db790001d2677f800a400059",
    scr: "0245848733333039",
  },
  "samsung-gd4qt": {
    kind: "sdxc",
    cid: "1b534d474434515430c03055650125e9",
    csd: "400e00325b590003b9ff7f800a4040ab",
    scr: "02c5800300000000",
  },
  "samsung-jd1y7": {
    kind: "sdxc",
    cid: "1b534d4a4431593730d27654a6a19cbd",
    csd: "400e0032db790003baff7f800a40002d",
  },
  "gigastone-astc": {
    kind: "sdxc",
    cid: "12345641535443002000000f1401764d",
    csd: "400e00325b590001d1eb7f800a4000a1",
  },
  "kingston-sd8gb": {
    kind: "sdhc",
    cid: "41343253443847423043f65dc900f4a1",
    csd: "400e00325b5900003a8f7f800a400087",
    scr: "02b5800000000000",
  },
  "wd-wx64g": {
    kind: "sdxc",
    cid: "035344575836344780eebad6c001834b",
    csd: "400e0032db790001dbd37f800a4040f9",
  },
  "panasonic-y08ag": {
    kind: "sdhc",
    cid: "015041593038414713daa1bff401252f",
    csd: "400e00325b59000039b37f800a4000f9",
    scr: "0235800001000000",
    ssr: "80000000030000000202900008070000",
    ocr: 0x00ff8000,
  },
  "sandisk-se32g": {
    kind: "sdhc",
    cid: "035344534533324780f1086bc000e345",
    csd: "400e00325b590000edc87f800a4040c3",
    scr: "0235800100000000",
    ssr: "8000000005000000040090000f051a00",
    ocr: 0x01ff8000,
  },
  "toshiba-sa04g": {
    kind: "sdhc",
    cid: "02544d53413034471027b7748500bcb5",
    csd: "400e00325b5900001d177f800a40008d",
    scr: "0235800001000000",
  },
  "samsung-gf8s5": {
    kind: "sdxc",
    cid: "1b534d474638533530d8466363a167c3",
    csd: "400e0032db79000eebff7f800a400039",
    scr: "0205848700000000",
  },
  "sandisk-su01g": {
    kind: "sdsc",
    cid: "03534453553031478080baf50e009b8d",
    csd: "002600325f5983ae7efbcfff924040d7",
    scr: "0225000000000000",
  },
  "atp-2g": {
    kind: "sdsc",
    cid: "09415041462055441047b00419007b37",
    csd: "002f00325f5a83cf2db7ffbf96800069",
  },
  "sandisk-su02g": {
    kind: "sdsc",
    cid: "03534453553032478000e22ef4009cfd",
    csd: "002600325f5a83aefefbcfff928040df",
  },
  "transcend-usd": {
    kind: "sdsc",
    cid: "744a605553442020104182bbc7010637",
    csd: "007f00325b5a83bd6db7ff800a80008d",
  },
};

export const REAL_CARD_NAMES: readonly RealCardName[] = Object.keys(DUMPS) as RealCardName[];

/** Cells and options with which a model is that card; timing is the default's. */
export interface RealCard {
  readonly sectorCount: number;
  readonly options: Partial<CardModelOptions>;
}

const SSR_BYTES = 64;

export function realCard(name: RealCardName): RealCard {
  const dump = DUMPS[name];
  const csd = fromHex(dump.csd);
  const registers: Partial<CardRegisters> = {
    cid: fromHex(dump.cid),
    csd,
    ...(dump.scr !== undefined && { scr: fromHex(dump.scr) }),
    ...(dump.ssr !== undefined && { ssr: ssrOf(dump.ssr) }),
    ...(dump.ocr !== undefined && { ocr: dump.ocr }),
  };
  // Without a dump of the SCR the model's own has to say which version the card is.
  const specVersion = dump.kind === "sdsc" && dump.scr === undefined ? 1 : 2;
  const { kind } = dump;
  return {
    sectorCount: csdFacts(csd, false).sectorCount,
    options: { kind, registers, specVersion },
  };
}

function ssrOf(start: string): Uint8Array {
  const ssr = new Uint8Array(SSR_BYTES);
  ssr.set(fromHex(start));
  return ssr;
}
