/** A symbol at or below an address. */
export interface KernelSymbol {
  readonly name: string;
  /** Of the address behind the symbol's start. */
  readonly offset: bigint;
  /** To the next symbol at another address; what kallsyms calls the size. */
  readonly size: bigint;
  /** Of a module's symbol. */
  readonly module?: string;
}

/** Finds the symbol that an address lies in; undefined below the first and behind the last. */
export type SymbolLookup = (address: bigint) => KernelSymbol | undefined;

interface Entry {
  readonly address: bigint;
  readonly name: string;
  readonly module: string | undefined;
}

const LINE = /^([0-9a-f]{8,16}) ([a-zA-Z?]) (\S+)(?:\s+\[(\S+)\])?$/gm;
/** Addresses of per-CPU data and constants, which are no code. */
const NO_CODE = new Set(["A", "a", "U", "u"]);

/**
 * The symbols of a System.map (or of /proc/kallsyms, with those of modules). Lines that are not symbols are skipped.
 * Of several names at one address the first is taken, as in the kernel (get_symbol_pos, kernel/kallsyms.c).
 */
export function parseSystemMap(text: string): SymbolLookup {
  const entries: Entry[] = [];
  for (const [, address = "", kind = "", name = "", module] of text.matchAll(LINE))
    if (!NO_CODE.has(kind)) entries.push({ address: BigInt(`0x${address}`), name, module });
  // The sort is stable: aliases keep the file's order.
  entries.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const distinct = entries.filter((entry, at) => entry.address !== entries[at - 1]?.address);
  return (address) => lookUp(distinct, address);
}

function lookUp(entries: readonly Entry[], address: bigint): KernelSymbol | undefined {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as Entry).address <= address) low = middle + 1;
    else high = middle;
  }
  const [found, next] = [entries[low - 1], entries[low]];
  // The last symbol marks the end of the kernel (_end): nothing lies in it.
  if (found === undefined || next === undefined) return undefined;
  const { name, module, address: start } = found;
  const where = { name, offset: address - start, size: next.address - start };
  return module === undefined ? where : { ...where, module };
}
