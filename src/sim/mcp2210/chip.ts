import {
  BUS_OWNER,
  type ChipSettings,
  COMMAND,
  decodeCommand,
  describeCommand,
  type Mcp2210Command,
  type SpiSettings,
  STATUS,
} from "../../bridge/mcp2210/decoder.js";
import {
  answerWith,
  chipSettingsAnswer,
  pinsAnswer,
  spiSettingsAnswer,
  statusAnswer,
  transferAnswer,
} from "./answers.js";
import type { Mcp2210Counters } from "./counters.js";
import { type Mcp2210Settings, POWER_ON_SPI, roundRate } from "./options.js";
import { Pins } from "./pins.js";
import { SpiEngine } from "./spi-engine.js";
import type { Report } from "./violations.js";

const MIN_HZ = 1500;
const MAX_HZ = 12_000_000;
const PERMANENT_LOCK = 0x80;
const BLANK_EEPROM = 0xff;
/** What a transfer must not be disturbed by. */
const SETTERS: readonly string[] = [
  "setChipSettings",
  "setPins",
  "setDirections",
  "setSpiSettings",
];

/** The chip behind its reports: one comes, one goes. */
export class Mcp2210Chip {
  readonly #settings: Mcp2210Settings;
  readonly #counters: Mcp2210Counters;
  readonly #report: Report;
  readonly #pins: Pins;
  readonly #engine: SpiEngine;
  #chipSettings: ChipSettings;
  #spiSettings: SpiSettings = POWER_ON_SPI;
  /** Another master on the board has the SPI bus. */
  externalMaster = false;

  constructor(settings: Mcp2210Settings, counters: Mcp2210Counters, report: Report) {
    this.#settings = settings;
    this.#counters = counters;
    this.#report = report;
    this.#chipSettings = settings.powerOnPins;
    this.#pins = new Pins(settings.spi, settings.powerOnPins);
    this.#engine = new SpiEngine({ settings, pins: this.#pins, counters, report });
  }

  get cs(): "high" | "low" {
    return this.#pins.cs;
  }

  get levels(): number {
    return this.#pins.levels;
  }

  get transferring(): boolean {
    return this.#engine.active;
  }

  get spiSettings(): SpiSettings {
    return this.#spiSettings;
  }

  get chipSettings(): ChipSettings {
    return this.#chipSettings;
  }

  advance(toUs: number): void {
    this.#engine.advance(toUs);
  }

  /** An output report has come; gives the input report, or none to what is no report. */
  command(report: Uint8Array, atUs: number): Uint8Array | undefined {
    this.#engine.advance(atUs);
    const command = decodeCommand(report);
    if (command.kind === "malformed") {
      this.#report("report", atUs, command.why);
      return undefined;
    }
    const [code = 0] = report;
    if (SETTERS.includes(command.kind) && this.#engine.active) {
      this.#report("changed-in-transfer", atUs, describeCommand(code));
      this.#counters.add("busyAnswers");
      return answerWith(code, STATUS.busy);
    }
    return this.#execute(command, code, atUs);
  }

  #execute(
    command: Exclude<Mcp2210Command, { kind: "malformed" }>,
    code: number,
    atUs: number,
  ): Uint8Array {
    switch (command.kind) {
      case "cancel":
        this.#engine.cancel();
        return this.#status(code);
      case "status":
        return this.#status(code);
      case "getChipSettings":
        return chipSettingsAnswer(code, this.#chipSettings);
      case "getPins":
        return pinsAnswer(code, this.#pins.levels);
      case "getDirections":
        return pinsAnswer(code, this.#pins.directions);
      case "getSpiSettings":
        return spiSettingsAnswer(code, this.#spiSettings);
      case "transfer":
        return this.#transfer(command.data);
      case "interruptCounter":
      case "getNvram":
        return answerWith(code);
      case "readEeprom":
        return eepromAnswer(code, command.address);
      case "releaseBus":
        return answerWith(code, this.#engine.active ? STATUS.busy : STATUS.ok);
      case "unknown":
        this.#report("unknown-command", atUs, describeCommand(code));
        return answerWith(code, STATUS.unknownCommand);
      default:
        return this.#change(command, code, atUs);
    }
  }

  #change(
    command: Extract<Mcp2210Command, { kind: `set${string}` | "writeEeprom" | "password" }>,
    code: number,
    atUs: number,
  ): Uint8Array {
    switch (command.kind) {
      case "setChipSettings":
        if (command.accessControl !== 0 || command.password.some((byte) => byte !== 0))
          this.#lock(command.accessControl, code, atUs);
        this.#chipSettings = command.settings;
        this.#pins.configure(command.settings);
        break;
      case "setPins":
        this.#counters.add("pinWrites");
        this.#pins.setLevels(command.levels);
        break;
      case "setDirections":
        this.#pins.setDirections(command.inputs);
        break;
      case "setSpiSettings":
        this.#setSpi(command.settings, atUs);
        break;
      default:
        this.#lock("accessControl" in command ? command.accessControl : 0, code, atUs);
    }
    return answerWith(code);
  }

  #lock(accessControl: number, code: number, atUs: number): void {
    const rule = accessControl & PERMANENT_LOCK ? "permanent-lock" : "persistent-write";
    this.#report(rule, atUs, describeCommand(code));
  }

  #setSpi(settings: SpiSettings, atUs: number): void {
    this.#counters.add("settingsWrites");
    const asked = settings.bitRateHz;
    if (asked < MIN_HZ || asked > MAX_HZ) this.#report("bit-rate", atUs, `${asked} Hz`);
    const bitRateHz = roundRate(asked, this.#settings);
    if (bitRateHz !== this.#spiSettings.bitRateHz && this.#pins.cs === "low")
      this.#report("clock-change-selected", atUs, `${bitRateHz} Hz while chip select is low`);
    this.#spiSettings = { ...settings, bitRateHz };
    this.#pins.select(this.#spiSettings, false);
  }

  #transfer(data: Uint8Array): Uint8Array {
    if (this.externalMaster) return answerWith(COMMAND.transfer, STATUS.busNotAvailable);
    const outcome = this.#engine.transfer(data, this.#spiSettings);
    return "refused" in outcome
      ? answerWith(COMMAND.transfer, outcome.refused)
      : transferAnswer(COMMAND.transfer, outcome.engine, outcome.data);
  }

  #status(code: number): Uint8Array {
    const own = this.#engine.active ? BUS_OWNER.bridge : BUS_OWNER.none;
    return statusAnswer(code, {
      releasePending: false,
      busOwner: this.externalMaster ? BUS_OWNER.external : own,
      passwordTries: 0,
      unlocked: false,
    });
  }
}

function eepromAnswer(code: number, address: number): Uint8Array {
  const report = answerWith(code);
  report[2] = address;
  report[3] = BLANK_EEPROM;
  return report;
}
