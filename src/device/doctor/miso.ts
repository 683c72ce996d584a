import type { Segment, SpiBridge } from "../../spi/bridge.js";
import { CardError } from "../../spi/errors.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier, expired } from "../../util/deadline.js";
import type { StepOutcome } from "../adapters/outcome.js";

/** What 16 bytes on MISO are. */
export type MisoLevel = "ones" | "zeros" | "mixed";

/** MISO while MOSI is all ones, seen with CS high and with CS low. */
export interface MisoLook {
  /** undefined: this adapter cannot clock while CS is high. */
  readonly released: MisoLevel | undefined;
  readonly selected: MisoLevel;
  /** With CS high, MISO was what MOSI was. */
  readonly follows: boolean;
}

const LOOK_BYTES = 16;
/** Two blocks of a read that nobody ended, with what is between them: not all of that is 00, whatever the data. */
const STREAM_BYTES = 1100;
/** A card lets go of MISO a clock after CS, and takes it as late. */
const SETTLE_BYTES = 2;
/** Programming: 500 ms on SDXC by the specification, 900 were seen. */
const BUSY_MS = 1000;
const BUSY_LOOK_US = 10_000;

/**
 * Whole bytes of one level, never a frame: a card in its native mode does not look at CS, and the bit behind a start bit would have
 * to be 1 for it to be a command (SD Physical Layer 4.7.2).
 */
const FOLLOW_PATTERN = Uint8Array.from([0xff, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00, 0xff]);

/** Clocks all ones with CS high and low and looks at what comes. CS is high afterwards. */
export async function lookAtMiso(bridge: SpiBridge, deadline: Deadline): Promise<MisoLook> {
  const { csHold, clocksWithCsHigh, fullDuplex } = bridge.capabilities;
  if (!csHold || !clocksWithCsHigh)
    return { released: undefined, selected: await lookOnce(bridge, deadline), follows: false };
  const released = new Uint8Array(LOOK_BYTES);
  const echo = new Uint8Array(FOLLOW_PATTERN.length);
  const echoing: Segment[] = fullDuplex
    ? [{ kind: "exchange", data: FOLLOW_PATTERN, into: echo }]
    : [];
  const segments: Segment[] = [
    { kind: "deselect" },
    { kind: "idle", bytes: SETTLE_BYTES },
    { kind: "read", into: released },
    ...echoing,
    { kind: "idle", bytes: SETTLE_BYTES },
  ];
  await bridge.submit({ label: "look at MISO, CS high", segments }, deadline);
  return {
    released: levelOf(released),
    selected: await lookSelected(bridge, deadline),
    follows: fullDuplex && Buffer.compare(echo, FOLLOW_PATTERN) === 0,
  };
}

async function lookSelected(
  bridge: SpiBridge,
  deadline: Deadline,
  bytes: number = LOOK_BYTES,
): Promise<MisoLevel> {
  const into = new Uint8Array(bytes);
  const segments: Segment[] = [
    { kind: "select" },
    { kind: "idle", bytes: SETTLE_BYTES },
    { kind: "read", into },
    { kind: "deselect" },
    { kind: "idle", bytes: SETTLE_BYTES },
  ];
  await bridge.submit({ label: "look at MISO, CS low", segments }, deadline);
  return levelOf(into);
}

/** All that an adapter can do that selects the card for one operation at a time. */
async function lookOnce(bridge: SpiBridge, deadline: Deadline): Promise<MisoLevel> {
  const into = new Uint8Array(LOOK_BYTES);
  const segments: Segment[] = [
    { kind: "select" },
    { kind: "write", data: new Uint8Array(SETTLE_BYTES).fill(0xff) },
    { kind: "read", into },
    { kind: "deselect" },
  ];
  await bridge.submit({ label: "look at MISO", segments }, deadline);
  return levelOf(into);
}

function levelOf(bytes: Uint8Array): MisoLevel {
  if (bytes.every((byte) => byte === 0xff)) return "ones";
  return bytes.every((byte) => byte === 0) ? "zeros" : "mixed";
}

/**
 * Looks, and looks again while the card may only be busy.
 * @throws CardError CARD_CRC if there is nothing but noise, in which any answer may be found; what the bridge throws
 */
export async function checkMiso(
  bridge: SpiBridge,
  clock: Clock,
  deadline: Deadline,
): Promise<StepOutcome> {
  const until = earlier(deadline, deadlineIn(clock, BUSY_MS));
  const startUs = clock.nowUs();
  let look = await lookAtMiso(bridge, deadline);
  if (!mayBeBusy(look)) return unlessNoise(look, judgeMiso(look));
  while (mayBeBusy(look) && !expired(clock, until)) {
    await clock.sleep(BUSY_LOOK_US);
    look = await lookAtMiso(bridge, deadline);
  }
  if (mayBeBusy(look))
    look = { ...look, selected: await lookSelected(bridge, deadline, STREAM_BYTES) };
  const outcome = judgeMiso(look);
  const ms = Math.round((clock.nowUs() - startUs) / 1000);
  return mayBeBusy(look)
    ? outcome
    : { ...outcome, finding: `${outcome.finding}; the card was busy for ${ms} ms` };
}

function unlessNoise({ released, selected }: MisoLook, outcome: StepOutcome): StepOutcome {
  if (released === "mixed" && selected === "mixed" && outcome.failure !== undefined)
    throw outcome.failure;
  return outcome;
}

function mayBeBusy({ released, selected }: MisoLook): boolean {
  return released === "ones" && selected === "zeros";
}

const PULL_UP = "put a pull-up of 10 to 50 kOhm from MISO to 3.3 V";

/** What a look means. A failure here does not end the search: what the card answers to CMD0 tells more. */
export function judgeMiso(look: MisoLook): StepOutcome {
  const { released, selected, follows } = look;
  if (released === undefined) return judgeSelected(selected);
  if (follows)
    return failed(
      "CARD_CRC",
      "MISO follows MOSI although CS is high: the two are wired together, or MISO hangs in the air",
      `look for a short between MISO and MOSI; ${PULL_UP}`,
      look,
    );
  if (released === "mixed")
    return failed(
      "CARD_CRC",
      selected === "mixed"
        ? "MISO floats: it is neither 0 nor 1, and no card drives it"
        : "MISO floats while CS is high: it is neither 0 nor 1",
      `check the wire of MISO; ${PULL_UP}; a second device on the bus must not be selected`,
      look,
    );
  return released === "ones" ? judgePulledUp(look) : judgeLow(look);
}

function judgePulledUp(look: MisoLook): StepOutcome {
  if (look.selected === "ones")
    return { finding: "MISO is pulled up (FF with CS high and with CS low)" };
  if (look.selected === "mixed")
    return {
      finding: "MISO is pulled up; with CS low the card sends: it was left within a transfer",
    };
  return failed(
    "CARD_BUSY",
    "MISO is pulled up, but the card holds it low as soon as CS is low: busy without end",
    "take the card's power away for a second; if that does not help the card is worn out, or CS and GND are swapped",
    look,
  );
}

function judgeLow(look: MisoLook): StepOutcome {
  if (look.selected === "zeros")
    return failed(
      "CARD_ABSENT",
      "MISO is 0 whatever CS is: shorted to ground, not pulled up, or pulled down by a card without power",
      `measure 3.3 V at the card's VDD; check the wire of MISO; ${PULL_UP}`,
      look,
    );
  return failed(
    "CARD_CRC",
    "MISO has no pull-up: it is 0 while CS is high, and something else when the card drives it",
    PULL_UP,
    look,
  );
}

function judgeSelected(selected: MisoLevel): StepOutcome {
  const look = { released: undefined, selected, follows: false };
  if (selected === "ones")
    return { finding: "MISO is high (this adapter cannot look at it while CS is high)" };
  if (selected === "mixed")
    return failed(
      "CARD_CRC",
      "MISO is neither 0 nor 1 although nothing was asked: it floats, or the card was left within a transfer",
      `check the wire of MISO; ${PULL_UP}; take the card's power away for a second`,
      look,
    );
  return failed(
    "CARD_ABSENT",
    "MISO is 0: shorted to ground, not pulled up, a card without power, or one that is busy",
    `measure 3.3 V at the card's VDD; check the wire of MISO; ${PULL_UP}`,
    look,
  );
}

function failed(
  code: "CARD_CRC" | "CARD_ABSENT" | "CARD_BUSY",
  finding: string,
  fix: string,
  look: MisoLook,
): StepOutcome {
  return {
    finding,
    failure: new CardError(code, finding, { details: { ...look }, hint: fix }),
  };
}
