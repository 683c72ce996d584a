import { randomBytes } from "node:crypto";
import { lstat, open, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TransportError } from "../../transport/types.js";
import { errorCode, IoError, RefusedError, UsageError } from "../../util/errors.js";
import { ADAPTERS } from "./data.js";
import type { AdapterData, AdapterUsbId } from "./data-types.js";

/** Where the administrator's own rules are. */
export const UDEV_RULES_DIR = "/etc/udev/rules.d";
/** The tag `uaccess` is acted on by 73-seat-late.rules: a file that sets it has to sort before that one (systemd#4288). */
export const UDEV_RULES_FILE = "70-mmcpstore.rules";
/** Debian's group for people who plug in devices; where there is none, udev says so once and goes on. */
export const DEFAULT_UDEV_GROUP = "plugdev";
/** Debian's group for serial ports. */
const TTY_GROUP = "dialout";
/** What makes udev use a new file: rules on reload, nodes that exist already on trigger. */
export const UDEV_RELOAD = "udevadm control --reload && udevadm trigger";

const RULES_PATH = join(UDEV_RULES_DIR, UDEV_RULES_FILE);

/** First line of a file that is ours to replace. */
const MARK = "# mmcpstore: udev rules for USB-SPI adapters.";
const GROUP_NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/**
 * Rules that give the adapters' nodes to whoever is logged in at the machine, and to a group.
 * @throws UsageError for what is no name of a group
 */
export function udevRules(group: string = DEFAULT_UDEV_GROUP): string {
  if (!GROUP_NAME.test(group))
    throw new UsageError(`'${group}' is no name of a group`, { hint: "--group plugdev" });
  const lines = [
    MARK,
    "# Written by 'mmcpstore udev install', which replaces it: keep rules of your own in another file.",
    "# Its name must sort before 73-seat-late.rules, which acts on the tag uaccess.",
    'ACTION=="remove", GOTO="mmcpstore_end"',
    ...ADAPTERS.flatMap((adapter) => ["", ...rulesOf(adapter, group)]),
    "",
    'LABEL="mmcpstore_end"',
  ];
  return `${lines.join("\n")}\n`;
}

/** The rules of one device, without the comment. */
export function udevRulesFor(id: AdapterUsbId, adapter: AdapterData, group: string): string[] {
  const access = `MODE="0660", GROUP="${group}", TAG+="uaccess"`;
  switch (adapter.transport) {
    case "usb":
      return [`${usbDevice(id)}, ${access}`];
    case "hid":
      return [`SUBSYSTEM=="hidraw", ${parents(id)}, ${access}`];
    case "serial":
      // ModemManager looks at the USB device for the one, and at the port for the other.
      return [
        `${usbDevice(id)}, ENV{ID_MM_DEVICE_IGNORE}="1"`,
        // Other boards have these ids too: who uses them through the group of serial ports keeps that.
        `SUBSYSTEM=="tty", ${parents(id)}, MODE="0660", GROUP="${TTY_GROUP}", TAG+="uaccess", ENV{ID_MM_PORT_IGNORE}="1"`,
      ];
  }
}

function rulesOf(adapter: AdapterData, group: string): string[] {
  return adapter.usbIds.flatMap((id) => [`# ${id.name}`, ...udevRulesFor(id, adapter, group)]);
}

const hex = (value: number): string => value.toString(16).padStart(4, "0");

function usbDevice({ vendorId, productId }: AdapterUsbId): string {
  return `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="${hex(vendorId)}", ATTR{idProduct}=="${hex(productId)}"`;
}

function parents({ vendorId, productId }: AdapterUsbId): string {
  return `ATTRS{idVendor}=="${hex(vendorId)}", ATTRS{idProduct}=="${hex(productId)}"`;
}

export interface UdevInstallOptions {
  /** Default {@link UDEV_RULES_DIR}. */
  readonly dir?: string;
  readonly group?: string;
  /** Replace a file that is not ours. */
  readonly overwrite?: boolean;
  readonly dryRun?: boolean;
  /** Where groups are listed; default `/etc/group`. */
  readonly groupFile?: string;
}

export interface UdevInstallReport {
  readonly path: string;
  readonly result: "written" | "replaced" | "unchanged";
  readonly bytes: number;
  /** What may keep the rules from working. */
  readonly notes: readonly string[];
}

/**
 * Writes the rules, in one step: the old file or the new one is there, never half of one.
 * @throws RefusedError if another file has that name and `overwrite` is not given; TransportError TRANSPORT_ACCESS without the rights; IoError
 */
export async function installUdevRules(
  options: UdevInstallOptions = {},
): Promise<UdevInstallReport> {
  const { dir = UDEV_RULES_DIR, group, overwrite = false, dryRun = false } = options;
  const path = join(dir, UDEV_RULES_FILE);
  const text = udevRules(group);
  const about = { path, bytes: Buffer.byteLength(text), notes: await groupNotes(options) };
  const present = await readPresent(path);
  if (present === text) return { ...about, result: "unchanged" };
  if (present !== undefined && !present.startsWith(MARK) && !overwrite) throw notOurs(path);
  if (!dryRun) await writeAtomically(path, text);
  return { ...about, result: present === undefined ? "written" : "replaced" };
}

/** udev says so once in its log, and goes on without the group. Groups of a directory service are not in the file. */
async function groupNotes({
  group = DEFAULT_UDEV_GROUP,
  groupFile = "/etc/group",
}: UdevInstallOptions): Promise<readonly string[]> {
  const text = await readFile(groupFile, "utf8").catch(() => undefined);
  if (text === undefined || text.split("\n").some((line) => line.startsWith(`${group}:`)))
    return [];
  return [
    `there is no group ${group} in ${groupFile}: whoever is logged in at the machine gets the adapters all the same; for others: groupadd --system ${group}, or --group with another name`,
  ];
}

/** undefined if there is none; a link, or what cannot be read, is somebody else's: "". */
async function readPresent(path: string): Promise<string | undefined> {
  try {
    if (!(await lstat(path)).isFile()) return "";
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT") return undefined;
    throw cannotWrite(path, cause);
  }
}

async function writeAtomically(path: string, text: string): Promise<void> {
  // udev reads only what ends in .rules.
  const aside = join(dirname(path), `.mmcpstore-${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(aside, "wx", 0o644);
    try {
      await file.writeFile(text);
      await file.chmod(0o644);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    await unlink(aside).catch(() => undefined);
    throw cannotWrite(path, cause);
  }
}

function notOurs(path: string): RefusedError {
  return new RefusedError(`${path} exists, and is not a file of this program`, {
    details: { path },
    hint: "look at it; --yes replaces it, --dir writes to another folder",
  });
}

function cannotWrite(path: string, cause: unknown): TransportError | IoError {
  const code = errorCode(cause) ?? "error";
  const details = { path, errno: code };
  if (code === "EACCES" || code === "EPERM")
    return new TransportError("TRANSPORT_ACCESS", `${path} cannot be written: only root may`, {
      cause,
      details,
      hint: `sudo mmcpstore udev install, or: mmcpstore udev print | sudo tee ${RULES_PATH}`,
    });
  const hint =
    code === "ENOENT"
      ? "its folder does not exist: is this a Linux with udev? --dir names another"
      : "--dir names another folder";
  return new IoError(`${path} cannot be written (${code})`, { cause, details, hint });
}
