import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { ADAPTERS, formatUsbId } from "../../../src/device/adapters/data.js";
import { installUdevRules, UDEV_RULES_FILE, udevRules } from "../../../src/device/adapters/udev.js";
import { TempFolder } from "../../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

/** Lines of a rules file, as udev(7) reads them: comments and empty lines gone. */
function ruleLines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

function dir(name: string): string {
  mkdirSync(folder.at(name), { recursive: true });
  return folder.at(name);
}

const DRIVEN = ADAPTERS.flatMap((adapter) =>
  adapter.usbIds.map((id) => [formatUsbId(id), adapter.transport, id] as const),
);

describe("udev rules", () => {
  const lines = ruleLines(udevRules("bench"));

  it.each(DRIVEN)("%s (%s) is opened to the seat's user and to the group", (_, transport, id) => {
    const [vendor, product] = [id.vendorId, id.productId].map((value) =>
      value.toString(16).padStart(4, "0"),
    );
    const own = lines.filter(
      (line) => line.includes(`=="${vendor}"`) && line.includes(`=="${product}"`),
    );
    const access = own.filter((line) => line.includes("TAG+="));
    expect(access).toHaveLength(1);
    // Serial ports stay with the group that has them: other boards have these ids too.
    const group = transport === "serial" ? "dialout" : "bench";
    expect(access[0]).toContain(`MODE="0660", GROUP="${group}", TAG+="uaccess"`);
    const subsystem = { usb: "usb", hid: "hidraw", serial: "tty" }[transport];
    expect(access[0]).toMatch(new RegExp(`^SUBSYSTEM=="${subsystem}", `));
    // The attributes of a usb_device are its own; those of a node belong to a parent.
    const attribute = transport === "usb" ? "ATTR" : "ATTRS";
    expect(access[0]).toContain(`${attribute}{idVendor}=="${vendor}"`);
  });

  it("keeps ModemManager away from serial boards, at the device and at the port", () => {
    const serial = DRIVEN.filter(([, transport]) => transport === "serial").length;
    expect(serial).toBeGreaterThan(0);
    expect(lines.filter((line) => line.includes('ENV{ID_MM_DEVICE_IGNORE}="1"'))).toHaveLength(
      serial,
    );
    expect(lines.filter((line) => line.includes('ENV{ID_MM_PORT_IGNORE}="1"'))).toHaveLength(
      serial,
    );
  });

  it("is in the grammar of udev(7), and every GOTO has its LABEL", () => {
    const part = /^[A-Z_]+(\{[\w.]+\})?(==|!=|=|\+=|:=)"[^"]*"$/;
    for (const line of lines)
      for (const one of line.split(", ")) expect([line, part.test(one)]).toEqual([line, true]);
    const labels = lines.flatMap((line) => /LABEL="(\w+)"/.exec(line)?.[1] ?? []);
    const gotos = lines.flatMap((line) => /GOTO="(\w+)"/.exec(line)?.[1] ?? []);
    expect(gotos).toEqual(labels);
  });

  it("sorts before the rules that act on uaccess", () => {
    expect(UDEV_RULES_FILE < "73-seat-late.rules").toBe(true);
    expect(UDEV_RULES_FILE).toMatch(/\.rules$/);
  });

  it.each(["", "two words", 'x", RUN+="/bin/sh', "UPPER", "-l", "a".repeat(33)])(
    "takes %j for no group",
    (group) => {
      expect(() => udevRules(group)).toThrow(expect.objectContaining({ code: "USAGE" }));
    },
  );
});

describe("installing", () => {
  const groupFile = folder.write("group", "root:x:0:\nplugdev:x:46:\n");

  it("writes the file whole, for everybody to read; again changes nothing; another group replaces", async () => {
    const at = dir("fresh");
    const first = await installUdevRules({ dir: at, groupFile });
    expect(first).toMatchObject({ result: "written", path: `${at}/${UDEV_RULES_FILE}`, notes: [] });
    expect(readFileSync(first.path, "utf8")).toBe(udevRules());
    expect([statSync(first.path).mode & 0o777, statSync(first.path).size]).toEqual([
      0o644,
      first.bytes,
    ]);
    expect((await installUdevRules({ dir: at, groupFile })).result).toBe("unchanged");
    const other = await installUdevRules({ dir: at, groupFile, group: "bench" });
    expect(other.result).toBe("replaced");
    expect(other.notes).toEqual([expect.stringContaining("no group bench")]);
    expect(readFileSync(first.path, "utf8")).toBe(udevRules("bench"));
    expect(readdirSync(at)).toEqual([UDEV_RULES_FILE]);
  });

  it("writes nothing in a dry run", async () => {
    const at = dir("dry");
    expect((await installUdevRules({ dir: at, groupFile, dryRun: true })).result).toBe("written");
    expect(readdirSync(at)).toEqual([]);
  });

  it("leaves a file of somebody else alone, and a link; unless told otherwise", async () => {
    const at = dir("foreign");
    folder.write(`foreign/${UDEV_RULES_FILE}`, "# mine\n");
    const refused = installUdevRules({ dir: at, groupFile });
    await expect(refused).rejects.toMatchObject({ code: "REFUSED", hint: /--yes/ });
    expect(readFileSync(`${at}/${UDEV_RULES_FILE}`, "utf8")).toBe("# mine\n");
    expect((await installUdevRules({ dir: at, groupFile, overwrite: true })).result).toBe(
      "replaced",
    );
    const link = dir("link");
    symlinkSync(folder.at("group"), `${link}/${UDEV_RULES_FILE}`);
    await expect(installUdevRules({ dir: link, groupFile })).rejects.toMatchObject({
      code: "REFUSED",
    });
  });

  it("says what is missing where the folder is, or the rights are not there", async () => {
    await expect(installUdevRules({ dir: folder.at("no/such"), groupFile })).rejects.toMatchObject({
      code: "IO",
      hint: /--dir/,
    });
    const file = folder.write("a-file", "x");
    await expect(installUdevRules({ dir: file, groupFile })).rejects.toMatchObject({
      details: { errno: "ENOTDIR" },
    });
  });

  it("needs the right to write there, and names sudo", async () => {
    const at = dir("locked");
    chmodSync(at, 0o555);
    chmodSync(folder.path, 0o755);
    await asNobody(async () => {
      const refused = installUdevRules({ dir: at, groupFile });
      await expect(refused).rejects.toMatchObject({
        code: "TRANSPORT_ACCESS",
        hint: expect.stringContaining("sudo mmcpstore udev install"),
      });
    });
    expect(readdirSync(at)).toEqual([]);
  });
});

/** root may write anywhere. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
