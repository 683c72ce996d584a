import { BridgeError } from "../../../spi/errors.js";
import type { Deadline } from "../../../util/deadline.js";
import { silentLog } from "../../../util/log.js";
import { CS_MODE, encodeCommand, SPI_MODE } from "../codec.js";
import { IDENTIFY_HZ, type SerprogOpenOptions } from "../options.js";
import type { Programmer } from "../programmer.js";
import { runAll } from "../set-up.js";
import type { StartedProgrammer } from "../start-up.js";
import { synchronise } from "../sync.js";
import { askInfo } from "./ask.js";
import { SdxCardBus } from "./card-bus.js";
import type { SdxInfo } from "./codec.js";
import { SdxDevice } from "./device.js";
import { SDX } from "./protocol.js";
import { SdxSession } from "./session.js";

/** A reply of 35 bytes, from a board that may be slow. */
const ANSWER_MS = 300;
const TRIES = 3;

/**
 * The project's own firmware: undefined for a programmer whose command map does not say so, or that does not answer as it. One byte
 * without parameters is all that such a programmer is sent.
 * @throws BridgeError BRIDGE_UNSUPPORTED for firmware of another version, BRIDGE_SYNC; TransportError
 */
export async function openSdx(
  open: SerprogOpenOptions,
  started: StartedProgrammer,
  deadline: Deadline,
): Promise<SdxCardBus | undefined> {
  if (!saysSdx(started.said)) return undefined;
  const info = await begin(started, deadline);
  if (info === undefined) return undefined;
  if (info.version !== SDX.VERSION) throw otherVersion(info.version);
  const { log = silentLog, transport, options = {} } = open;
  const { parts, link, said } = started;
  const { silenceMs } = options;
  const session = new SdxSession(parts, info, log, silenceMs === undefined ? {} : { silenceMs });
  await session.setUp(IDENTIFY_HZ, deadline);
  const device = new SdxDevice({
    session,
    log,
    bytesPerSecond: parts.bytesPerSecond,
    coarse: options.coarseDeadlines === true,
    putAway: (until) => runAll(link, farewell(said), until),
    closePort: () => transport.close(),
  });
  log.info({ name: device.chip.name, port: transport.port.path }, "adapter ready");
  return new SdxCardBus(device);
}

/** All of its opcodes, or it is something else. */
function saysSdx({ commands }: Programmer): boolean {
  for (let opcode: number = SDX.INFO; opcode <= SDX.CONTROL; opcode++)
    if (!commands.has(opcode)) return false;
  return true;
}

/** Whatever a stranger made of the byte, it is in step again behind it. */
async function begin(
  { parts }: StartedProgrammer,
  deadline: Deadline,
): Promise<SdxInfo | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    const info = await askInfo(parts, ANSWER_MS, deadline);
    if (info !== undefined) return info;
    await synchronise(parts, { isProgrammer: true }, deadline);
  }
  return undefined;
}

/** As other programs expect it. */
function farewell({ setsPins, full }: Programmer): ReturnType<typeof encodeCommand>[] {
  return [
    ...(full
      ? [encodeCommand("setCsMode", CS_MODE.auto), encodeCommand("setSpiMode", SPI_MODE.halfDuplex)]
      : []),
    ...(setsPins ? [encodeCommand("setPinState", 0)] : []),
  ];
}

function otherVersion(version: number): BridgeError {
  return new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `the adapter's firmware speaks version ${version} of its protocol, not ${SDX.VERSION}`,
    {
      details: { version },
      hint: "give it the firmware of this version: mmcpstore firmware flash",
    },
  );
}
