import { plannedSectors } from "../../index.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { withStore } from "../pstore-session.js";
import { confirmDestruction } from "../session.js";

/** `pstore format`: no record and no zone of another geometry is left. */
export const run: RunVerb = async (context, _operands, flags) => {
  await withStore(context, "write", flags, async ({ store, part, geometry, device }) => {
    const plan = await store.planFormat();
    const lost = plan.records.length + plan.foreign.length;
    const what = `this empties ${part.part.description}${lost === 0 ? "" : `, with ${lost} zones in use`}`;
    await device.clock.outside(confirmDestruction(context, what));
    const { dryRun, json } = context.settings;
    if (!dryRun) await store.format();
    const zones = store.layout.zones.length;
    if (json)
      await writeJson(context, "pstore-format", {
        geometry,
        zones,
        dmesgZones: store.layout.dmesg.length,
        recordsLost: plan.records.length,
        foreignZones: plan.foreign.length,
        sectors: plannedSectors(plan),
        dryRun,
      });
    else
      await context.io.writeOut(
        `${dryRun ? "would empty" : "emptied"} ${zones} zones (${store.layout.dmesg.length} for dmesg) on ${part.part.description}\n`,
      );
  });
  return EXIT.ok;
};
