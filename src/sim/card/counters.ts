/** What has gone over the wires; all counted since the model was made or {@link Counters.reset}. */
export interface CardCounters {
  readonly bytesSelected: number;
  readonly bytesDeselected: number;
  /** By name: `CMD17`, `ACMD41`; those with a wrong CRC7 are not among them. */
  readonly commands: ReadonlyMap<string, number>;
  readonly crcErrors: number;
  /** Data blocks of the cells that went out. */
  readonly blocksRead: number;
  /** Data blocks that were accepted. */
  readonly blocksWritten: number;
  /** How often each sector was read. */
  readonly sectorReads: ReadonlyMap<number, number>;
}

export class Counters implements CardCounters {
  bytesSelected = 0;
  bytesDeselected = 0;
  readonly commands: Map<string, number> = new Map();
  crcErrors = 0;
  blocksRead = 0;
  blocksWritten = 0;
  readonly sectorReads: Map<number, number> = new Map();

  clocked(selected: boolean, bytes: number): void {
    if (selected) this.bytesSelected += bytes;
    else this.bytesDeselected += bytes;
  }

  command(application: boolean, index: number): void {
    const name = `${application ? "ACMD" : "CMD"}${index}`;
    this.commands.set(name, (this.commands.get(name) ?? 0) + 1);
  }

  sectorRead(sector: number): void {
    this.sectorReads.set(sector, (this.sectorReads.get(sector) ?? 0) + 1);
  }

  reset(): void {
    Object.assign(this, { bytesSelected: 0, bytesDeselected: 0, crcErrors: 0 });
    Object.assign(this, { blocksRead: 0, blocksWritten: 0 });
    this.commands.clear();
    this.sectorReads.clear();
  }
}
