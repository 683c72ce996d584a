import type { RunVerb } from "./context.js";
import type { OptionSpec } from "./options.js";

/** One verb of the command line. Its code is loaded only when it runs. */
export interface Verb {
  /** Words before the operands: `pstore list`. */
  readonly name: string;
  /** Operands as commander writes them: `<range> <file>`. */
  readonly operands: string;
  readonly summary: string;
  readonly options?: readonly OptionSpec[];
  /** Takes the pstore geometry options too. */
  readonly geometry?: boolean;
  readonly load: () => Promise<{ readonly run: RunVerb }>;
}

const flag = (
  name: string,
  flags: string,
  help: string,
  kind: OptionSpec["kind"] = "text",
): OptionSpec => ({ name, kind, flags, help });

/** The groups of verbs, for `--help`. */
export const VERB_GROUPS: Readonly<Record<string, string>> = {
  part: "partition tables: MBR and GPT",
  pstore: "Linux pstore records on the reserved partition",
  trace: "recorded USB traffic, decoded",
  sim: "the simulated bench",
  udev: "rules that let users open the adapters",
  firmware: "our own firmware for boards that become adapters",
};

export const VERBS: readonly Verb[] = [
  {
    name: "list",
    operands: "",
    summary: "adapters that are attached",
    load: () => import("./commands/list.js"),
  },
  {
    name: "info",
    operands: "",
    summary: "the card's registers, its capacity and its partition table",
    load: () => import("./commands/info.js"),
  },
  {
    name: "doctor",
    operands: "",
    summary: "look at package, permission, wires and card in order, and say what to do",
    load: () => import("./commands/doctor.js"),
  },
  {
    name: "tune",
    operands: "",
    summary: "find the highest clock that the wiring bears",
    options: [
      flag("size", "--size <size>", "to be read at each clock (1M)"),
      flag("max", "--max <hz>", "highest clock to try (the card's own, at most 25 MHz)"),
    ],
    load: () => import("./commands/tune.js"),
  },
  {
    name: "wiring",
    operands: "[adapter]",
    summary: "how a card is wired to an adapter; without one, the adapters",
    load: () => import("./commands/wiring.js"),
  },
  {
    name: "read",
    operands: "<range> <file>",
    summary: "read blocks to a file (- is stdout)",
    load: () => import("./commands/read.js"),
  },
  {
    name: "write",
    operands: "<file> <range>",
    summary: "write a file (- is stdin) to blocks and read it back",
    load: () => import("./commands/write.js"),
  },
  {
    name: "verify",
    operands: "<file> <range>",
    summary: "compare blocks with a file (- is stdin)",
    load: () => import("./commands/verify.js"),
  },
  {
    name: "erase",
    operands: "<range>",
    summary: "let the card erase blocks",
    load: () => import("./commands/erase.js"),
  },
  {
    name: "part list",
    operands: "",
    summary: "list the partitions",
    load: () => import("./commands/part-list.js"),
  },
  {
    name: "part create",
    operands: "",
    summary: "create the reserved partition without touching others",
    options: [
      flag("label", "--label <label>", "name of the partition (pstore)"),
      flag("size", "--size <size>", "its size (1MiB)"),
    ],
    load: () => import("./commands/part-create.js"),
  },
  {
    name: "pstore format",
    operands: "",
    summary: "empty every zone",
    geometry: true,
    load: () => import("./commands/pstore-format.js"),
  },
  {
    name: "pstore check",
    operands: "",
    summary: "would a kernel accept this partition and these sizes?",
    geometry: true,
    load: () => import("./commands/pstore-check.js"),
  },
  {
    name: "pstore list",
    operands: "",
    summary: "list the records",
    geometry: true,
    load: () => import("./commands/pstore-list.js"),
  },
  {
    name: "pstore show",
    operands: "<name>",
    summary: "print a record as a kernel shows it",
    geometry: true,
    options: [flag("symbols", "--symbols <file>", "System.map for ftrace records")],
    load: () => import("./commands/pstore-show.js"),
  },
  {
    name: "pstore extract",
    operands: "<dir>",
    summary: "write all records as files, with the names, bytes and times that a kernel shows",
    geometry: true,
    options: [flag("symbols", "--symbols <file>", "System.map for ftrace records")],
    load: () => import("./commands/pstore-extract.js"),
  },
  {
    name: "pstore write",
    operands: "<file>",
    summary: "write a kernel log (- is stdin) as a record, atomically",
    geometry: true,
    options: [
      flag("reason", "--reason <reason>", "panic, oops, emergency or shutdown (panic)"),
      flag("compress", "--compress", "store it compressed even if it fits raw", "flag"),
      flag("no-compress", "--no-compress", "never compress", "flag"),
      flag(
        "panic",
        "--panic",
        "take the card back from whatever was happening, write within --timeout (5s)",
        "flag",
      ),
      flag("time", "--time <iso8601>", "time of the record (now)"),
      flag(
        "layout",
        "--layout <layout>",
        "le64, be64 or i386 (that of the records present, else le64)",
      ),
    ],
    load: () => import("./commands/pstore-write.js"),
  },
  {
    name: "pstore dead-man",
    operands: "<file>",
    summary: "let the adapter write a record when this program falls silent (own firmware)",
    geometry: true,
    options: [
      flag("reason", "--reason <reason>", "panic, oops, emergency or shutdown (panic)"),
      flag("compress", "--compress", "store it compressed even if it fits raw", "flag"),
      flag("no-compress", "--no-compress", "never compress", "flag"),
      flag("heartbeat", "--heartbeat <duration>", "silence after which it is written (5s)"),
    ],
    load: () => import("./commands/pstore-dead-man.js"),
  },
  {
    name: "pstore erase",
    operands: "[names...]",
    summary: "erase records",
    geometry: true,
    options: [flag("all", "--all", "all of them", "flag")],
    load: () => import("./commands/pstore-erase.js"),
  },
  {
    name: "watch",
    operands: "",
    summary: "follow a board's console and write a record for every oops and panic",
    geometry: true,
    options: [
      flag("console", "--console <port>", "/dev/ttyUSB0[@115200], a file, or - for stdin"),
      flag("idle", "--idle <duration>", "a report is complete when nothing came for so long (3s)"),
      flag("once", "--once", "end after the first record; 9 if there was none", "flag"),
    ],
    load: () => import("./commands/watch.js"),
  },
  {
    name: "record",
    operands: "<verb...>",
    summary: "run a verb and record all its USB traffic",
    options: [flag("output", "-o, --output <file>", "the cassette")],
    load: () => import("./commands/record.js"),
  },
  {
    name: "replay",
    operands: "<file> [verb...]",
    summary: "run a verb on recorded USB traffic, without hardware",
    load: () => import("./commands/replay.js"),
  },
  {
    name: "trace show",
    operands: "<cassette>",
    summary: "print recorded traffic, decoded down to card commands",
    options: [flag("level", "--level <level>", "usb, chip, spi or card (card)")],
    load: () => import("./commands/trace-show.js"),
  },
  {
    name: "trace export",
    operands: "<cassette> <file>",
    summary: "write recorded traffic for other tools",
    options: [flag("format", "--format <format>", "vcd, sr, pcapng, pcap or umockdev (vcd)")],
    load: () => import("./commands/trace-export.js"),
  },
  {
    name: "sim serve",
    operands: "",
    summary: "run the simulated adapter and card in a process of their own",
    options: [
      flag("socket", "--socket <path>", "where to listen; use it with -d sim:unix:PATH"),
      flag("usbip", "--usbip <[host:]port>", "export it over USB/IP (host: 127.0.0.1)"),
      flag("bridge", "--bridge <chip>", "with --usbip: the adapter's chip (ft232h)"),
      flag("card", "--card <image>", "with --usbip: the card's image"),
      flag(
        "export",
        "--export <devices...>",
        "with --usbip: several, each as after sim: (a.img?bridge=ft232h,serial=A)",
      ),
    ],
    load: () => import("./commands/sim-serve.js"),
  },
  {
    name: "firmware info",
    operands: "",
    summary: "what the adapter's firmware says of itself, if it is our own",
    load: () => import("./commands/firmware-info.js"),
  },
  {
    name: "firmware flash",
    operands: "<board>",
    summary:
      "put our own firmware on a board: rp2040; or print the command that does (atmega328p, lm3s6965)",
    options: [
      flag("file", "--file <file>", "the firmware (that which make -C firmware has built)"),
      flag("drive", "--drive <dir>", "where the board's boot drive is mounted (the only one)"),
      flag("port", "--port <port>", "the board's serial port: starts the boot loader of an rp2040"),
    ],
    load: () => import("./commands/firmware-flash.js"),
  },
  {
    name: "udev print",
    operands: "",
    summary: "print the rules",
    options: [flag("group", "--group <group>", "group that may use the adapters too (plugdev)")],
    load: () => import("./commands/udev-print.js"),
  },
  {
    name: "udev install",
    operands: "",
    summary: "write the rules to their file (as root)",
    options: [
      flag("group", "--group <group>", "group that may use the adapters too (plugdev)"),
      flag("dir", "--dir <dir>", "folder of the file (/etc/udev/rules.d)"),
    ],
    load: () => import("./commands/udev-install.js"),
  },
];
