import { viewOf } from "../../util/bytes.js";

/** Blocks of Microsoft's UF2 format (github.com/microsoft/uf2). */
const BLOCK_BYTES = 512;
const MAGIC = [0x0a324655, 0x9e5d5157] as const;
const MAGIC_END = 0x0ab16f30;
const FLAG_FAMILY = 0x2000;
const MAX_PAYLOAD = 476;

/** Families of the boards that there is firmware for. */
export const UF2_FAMILY = { rp2040: 0xe48bff56 } as const;

/** What is wrong with a file for the boot drive of a family; undefined: nothing. */
export function uf2Problem(file: Uint8Array, family: number): string | undefined {
  const blocks = file.length / BLOCK_BYTES;
  if (!Number.isInteger(blocks) || blocks === 0) return "its length is no multiple of 512 bytes";
  for (let index = 0; index < blocks; index++) {
    const problem = blockProblem(
      file.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES),
      [index, blocks],
      family,
    );
    if (problem !== undefined) return `block ${index}: ${problem}`;
  }
  return undefined;
}

function blockProblem(
  block: Uint8Array,
  [index, blocks]: readonly [number, number],
  family: number,
): string | undefined {
  const view = viewOf(block);
  const word = (at: number): number => view.getUint32(at, true);
  const isUf2 = MAGIC.every((magic, at) => word(at * 4) === magic);
  if (!isUf2 || word(BLOCK_BYTES - 4) !== MAGIC_END) return "it is no UF2 block";
  if (word(16) > MAX_PAYLOAD) return "it says that it holds more than a block can";
  if (word(20) !== index || word(24) !== blocks) return "it is not in its place";
  if (!(word(8) & FLAG_FAMILY) || word(28) !== family) return "it is for another kind of board";
  return undefined;
}
