import { askFirmware, type FirmwareSays } from "../../device/firmware/ask.js";
import { withTarget } from "../bench-session.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatPairs } from "../format/table.js";

/** What the emulators run is what the boards get; no board has run it yet. */
const PROOF = "emulator-tested, hardware-untested";

/** `firmware info`: what our own firmware of an adapter says of itself. The card is left alone. */
export const run: RunVerb = async (context) => {
  const says = await withTarget(context, askFirmware);
  const { facts, deadman, ...others } = says;
  if (context.settings.json)
    await writeJson(context, "firmware-info", {
      ...facts,
      ...others,
      proof: PROOF,
      deadman: deadman ?? null,
    });
  else await context.io.writeOut(formatPairs([...aboutIt(says), ...counted(says)]));
  return EXIT.ok;
};

type Pair = readonly [string, string];

function aboutIt({ adapter, facts, deadman, ...clock }: FirmwareSays): Pair[] {
  const window = facts.window === 0 ? "any number of blocks" : `${facts.window} block`;
  return [
    ["adapter", adapter],
    ["protocol", `serprog 1, polled SD ${facts.protocolVersion}`],
    ["proof", PROOF],
    ["clock", `${clock.minFrequencyHz} to ${clock.maxFrequencyHz} Hz`],
    ["ahead", `${window} of a write, requests of up to ${facts.maxPayload} bytes`],
    ["card power", facts.powerSwitch ? "has a switch" : "no switch"],
    ["dead man", deadmanText(deadman, facts.deadmanBytes)],
  ];
}

function counted({ counters }: FirmwareSays): Pair[] {
  const { frames, damagedFrames, repeatedReplies, bytesFromHost, bytesLost, bytesToHost } =
    counters;
  const { blocksRead, blocksWritten, spiBytes, pollingBytes, uptimeMs } = counters;
  return [
    ["running", `${(uptimeMs / 1000).toFixed(1)} s`],
    ["requests", `${frames}; ${damagedFrames} damaged, ${repeatedReplies} answered again`],
    ["host", `${bytesFromHost} bytes from it, ${bytesLost} lost; ${bytesToHost} to it`],
    [
      "card",
      `${blocksRead} blocks read, ${blocksWritten} written; ${spiBytes} bytes clocked, ${pollingBytes} of them waiting`,
    ],
  ];
}

function deadmanText(deadman: FirmwareSays["deadman"], bytes: number): string {
  if (deadman === undefined) return "no";
  const { state, outcome, ms } = deadman;
  if (state === "armed") return `armed: written after ${ms} ms of silence`;
  if (state === "fired") return `fired: ${outcome}, in ${ms} ms`;
  return `up to ${bytes} bytes, not armed`;
}
