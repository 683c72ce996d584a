import { readFile } from "node:fs/promises";
import { explainerOf } from "../trace/chips.js";
import { type Cassette, parseCassette } from "../transport/cassette.js";
import { CassettePlayer } from "../transport/player.js";
import { fromHex } from "../util/bytes.js";
import { errorCode, UsageError } from "../util/errors.js";
import { openCardStack } from "./card-stack.js";
import { settingsOf } from "./families.js";
import { playedLink } from "./record-link.js";
import type { OpenedDevice, OpenOptions } from "./types.js";

/**
 * Reads a cassette file.
 * @throws UsageError if it cannot be read; TransportError CASSETTE_VERSION, CASSETTE_DAMAGED
 */
export async function readCassette(path: string): Promise<Cassette> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const code = errorCode(cause);
    const why = code === "ENOENT" ? "does not exist" : `cannot be read (${code ?? "error"})`;
    throw new UsageError(`the cassette ${path} ${why}`, { cause, details: { path } });
  }
  return parseCassette(text);
}

/**
 * `replay:FILE`: the recorded traffic stands for adapter and card. Speed, CRC checking and wiring are those of the recording.
 * @throws what {@link readCassette} and opening a card throw; TransportError CASSETTE_MISMATCH
 */
export async function openReplay(path: string, options: OpenOptions): Promise<OpenedDevice> {
  const { header, events } = await readCassette(path);
  const player = new CassettePlayer({ header, events }, explainerOf(header));
  const { crc, speedHz } = header.capabilities;
  const { speedHz: _, ...others } = options;
  const stack = await openCardStack({
    link: playedLink(player, header),
    family: header.bridge,
    settings: settingsOf(header),
    clock: player,
    deviceString: `replay:${path}`,
    randomSeed: fromHex(header.randomSeed),
    options: {
      ...others,
      crc: crc !== false,
      ...(typeof speedHz === "number" ? { speedHz } : {}),
    },
  });
  return {
    ...stack,
    name: `replay:${path}`,
    block: stack.card,
    notes: [...stack.notes, ...zlibNote(header.zlib)],
    // A mismatch during the run explains every error that came of it: the player throws it again at its own close.
    close: async () => {
      await stack.close().catch((error: unknown) => {
        throw player.mismatch ?? error;
      });
      await player.close();
    },
  };
}

/** Compressed bytes depend on the version of zlib. */
function zlibNote(recorded: string): string[] {
  const own = process.versions["zlib"] ?? "";
  if (recorded === own) return [];
  return [`note: recorded with zlib ${recorded}, this is ${own}: compressed records may not match`];
}
