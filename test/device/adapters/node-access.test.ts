import { describe, expect, it } from "@jest/globals";
import { FT232H_DATA } from "../../../src/device/adapters/data-ftdi.js";
import { MCP2210_DATA, SERPROG_DATA } from "../../../src/device/adapters/data-others.js";
import type { AdapterData } from "../../../src/device/adapters/data-types.js";
import {
  checkNode,
  type NodeSystem,
  REAL_NODES,
} from "../../../src/device/adapters/node-access.js";

interface Facts {
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  readonly member?: boolean;
  readonly usable?: boolean;
}

function system({
  uid = 0,
  gid = 0,
  mode = 0o664,
  member = false,
  usable = false,
}: Facts): NodeSystem {
  return {
    stat: async () => ({ uid, gid, mode: 0o020_000 | mode }),
    mayUse: async () => usable,
    groupFile: async () => "root:x:0:\ndialout:x:20:\nplugdev:x:46:user\n",
    groups: () => (member ? [1000, gid] : [1000]),
  };
}

const NODE = "/dev/bus/usb/001/017";
const owner = (adapter: AdapterData) => ({ adapter, id: adapter.usbIds[0] });

describe("a device node", () => {
  it("that may be used, whatever its mode: access lists count", async () => {
    const outcome = await checkNode(
      NODE,
      owner(FT232H_DATA),
      system({ usable: true, mode: 0o600 }),
    );
    expect(outcome.finding).toContain("may be read and written");
  });

  it("that only root may use: the udev line of this device", async () => {
    const denied = checkNode(NODE, owner(FT232H_DATA), system({}));
    await expect(denied).rejects.toMatchObject({
      code: "TRANSPORT_ACCESS",
      message: `${NODE} is root:root 0664, for nobody else`,
      details: { path: NODE, owner: "root", group: "root", mode: "0664" },
      hint: expect.stringMatching(
        /^sudo mmcpstore udev install.*SUBSYSTEM=="usb".*"0403".*"6014".*GROUP="plugdev", TAG\+="uaccess"$/,
      ),
    });
  });

  it("of a group that this user is not in: names it, first", async () => {
    const denied = checkNode("/dev/ttyACM0", owner(SERPROG_DATA), system({ gid: 20, mode: 0o660 }));
    await expect(denied).rejects.toMatchObject({
      message: "/dev/ttyACM0 is root:dialout 0660, and this user is not in the group dialout",
      hint: expect.stringMatching(/^sudo usermod -aG dialout .*SUBSYSTEM=="tty".*GROUP="dialout"/),
    });
  });

  it("of a group without a name, of a user; a member who is refused all the same", async () => {
    const odd = checkNode(
      "/dev/hidraw0",
      owner(MCP2210_DATA),
      system({ uid: 5, gid: 99, mode: 0o660 }),
    );
    await expect(odd).rejects.toMatchObject({
      message: "/dev/hidraw0 is 5:99 0660, and this user is not in the group 99",
      hint: expect.stringContaining('SUBSYSTEM=="hidraw"'),
    });
    const member = checkNode(
      NODE,
      owner(FT232H_DATA),
      system({ gid: 46, mode: 0o660, member: true }),
    );
    await expect(member).rejects.toMatchObject({ hint: expect.not.stringContaining("usermod") });
  });

  it("of a board that no rule is for", async () => {
    const denied = checkNode("/dev/ttyS0", { adapter: SERPROG_DATA, id: undefined }, system({}));
    await expect(denied).rejects.toMatchObject({ hint: expect.not.stringContaining("SUBSYSTEM") });
  });

  it("that is not there", async () => {
    const outcome = await checkNode("/nonexistent/node", owner(FT232H_DATA), REAL_NODES);
    expect(outcome.finding).toContain("does not exist");
  });

  it("of this machine", async () => {
    expect((await checkNode("/dev/null", owner(FT232H_DATA))).finding).toContain("may be");
    expect(await REAL_NODES.groupFile()).toContain("root:");
    expect(REAL_NODES.groups().length).toBeGreaterThan(0);
  });
});
