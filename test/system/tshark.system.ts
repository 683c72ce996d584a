import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  MpsseDecoder,
  type MpsseEvent,
  replyBytes,
  stripStatus,
} from "../../src/bridge/ftdi/decoder.js";
import { readCassette } from "../../src/device/replay.js";
import type { Cassette } from "../../src/transport/cassette.js";
import { hasTool, runTool } from "./support/tools.js";
import { RecordedRuns } from "./traces/recorded-run.js";

const judged = hasTool("tshark", "tshark") ? describe : describe.skip;
const runs = new RecordedRuns();
const report: string[] = [];

beforeAll(() => runs.makeCard());
afterAll(() => {
  runs.remove();
  process.stdout.write(`\ndissected by tshark:\n${report.join("\n")}\n`);
});

/** Anything that tshark complains about. */
const BAD = "_ws.malformed || _ws.expert || _ws.short";
const BAD_MPSSE = `${BAD} || ftdi-mpsse.undecoded || ftdi-ft.undecoded || ftdi-mpsse.response_without_command || ftdi-mpsse.skipped_response_data || ftdi-mpsse.reassembly_unavailable`;
/** A command that reads, and no answer. */
const UNANSWERED = "ftdi-mpsse.command.b5 == 1 && !ftdi-mpsse.response.in";
/** Bytes for the engine that it makes nothing of. */
const NOTHING_IN_IT =
  "ftdi-ft.if_a_tx_payload && !ftdi-mpsse.command && !ftdi-ft.reassembled.in && !ftdi-ft.fragment";

/** Rows of the frames that a filter takes; fields that occur several times are separated by commas. */
function dissect(file: string, filter: string, ...fields: string[]): string[][] {
  const wanted = ["frame.number", ...fields].flatMap((field) => ["-e", field]);
  const text = runTool("tshark", ["-n", "-2", "-r", file, "-Y", filter, "-T", "fields", ...wanted]);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}

function column(rows: readonly string[][], at: number): string[] {
  return rows.flatMap((row) => (row[at] ?? "").split(",")).filter((text) => text !== "");
}

/** What our own decoder makes of the same run. */
function ownView({ header, events }: Cassette): {
  readonly opcodes: string[];
  readonly mosi: Buffer;
  readonly miso: Buffer;
} {
  const commands: (readonly [MpsseEvent, number])[] = [];
  const [mosi, answers]: [Buffer[], Uint8Array[]] = [[], []];
  const decoder = new MpsseDecoder("ft232h");
  let sent = Buffer.alloc(0);
  for (const event of events) {
    if (event.kind === "submit" && event.request.type === "bulkOut") {
      sent = Buffer.concat([sent, event.request.data]);
      decoder.push(event.request.data, (said) => {
        if (said.kind === "payload") mosi.push(Buffer.from(said.bytes));
        else commands.push([said, sent[said.offset] as number]);
      });
    }
    if (event.kind === "complete" && event.data !== undefined) {
      const payload = new Uint8Array(event.data.length);
      const length = stripStatus(event.data, header.packetSizes["129"] ?? 0, payload, 0);
      answers.push(payload.subarray(0, length));
    }
  }
  const opcodes = commands.map(([, opcode]) => `0x${opcode.toString(16)}`);
  const miso = shiftedIn(
    commands.map(([said]) => said),
    Buffer.concat(answers),
  );
  return { opcodes, mosi: Buffer.concat(mosi), miso };
}

/** Of all answers, those of commands that shift bytes in. */
function shiftedIn(commands: readonly MpsseEvent[], answers: Buffer): Buffer {
  let at = 0;
  const parts = commands.flatMap((command) => {
    const part = answers.subarray(at, at + replyBytes(command));
    at += part.length;
    return command.kind === "shift" ? [part] : [];
  });
  expect(at).toBe(answers.length);
  return Buffer.concat(parts);
}

judged("tshark", () => {
  test.each([
    ["ft232h", ["info"]],
    ["ft232h", ["read", "0+1M", "-"]],
    ["ft232h", ["pstore", "write", "--no-compress", "LICENSE"]],
    ["ft2232h", ["info"]],
    ["ft4232h", ["info"]],
  ])(
    "dissects %s %j as MPSSE: nothing malformed, commands and bytes as our decoder has them",
    async (bridge, verb) => {
      const run = await runs.record(bridge, verb);
      const file = await runs.export(run.path, "pcapng");
      expect(dissect(file, BAD_MPSSE, "_ws.expert.message")).toEqual([]);
      expect(dissect(file, UNANSWERED)).toEqual([]);
      expect(dissect(file, NOTHING_IN_IT)).toEqual([]);
      const rows = dissect(
        file,
        "ftdi-mpsse",
        "ftdi-mpsse.command",
        "ftdi-mpsse.bytes_out",
        "ftdi-mpsse.bytes_in",
      );
      const own = ownView(await readCassette(run.path));
      expect(column(rows, 1)).toEqual(own.opcodes);
      expect(Buffer.from(column(rows, 2).join(""), "hex").equals(own.mosi)).toBe(true);
      expect(Buffer.from(column(rows, 3).join(""), "hex").equals(own.miso)).toBe(true);
      expect(own.miso.length).toBeGreaterThan(1000);
      const bytes = `${own.mosi.length} bytes out, ${own.miso.length} in`;
      report.push(`  ${bridge} ${verb[0]}: ${own.opcodes.length} MPSSE commands, ${bytes}`);
    },
  );

  test("finds the same packets in the classic format", async () => {
    const run = await runs.record("ft232h", ["info"]);
    const columns = ["usb.src", "usb.dst", "frame.time_epoch", "usb.urb_status", "usb.data_len"];
    const [a = [], b = []] = await Promise.all(
      ["pcapng", "pcap"].map(async (format) =>
        dissect(await runs.export(run.path, format), "usb", ...columns),
      ),
    );
    expect(a.length).toBeGreaterThan(100);
    expect(b).toEqual(a);
  });

  test.each([
    ["ch341a", "usb.transfer_type == 3"],
    ["ch347t", "usb.transfer_type == 3"],
    ["mcp2210", "usb.transfer_type == 1"],
  ])("reads %s: nothing malformed, every transfer is there", async (bridge, transfers) => {
    const run = await runs.record(bridge, ["info"]);
    const file = await runs.export(run.path, "pcapng");
    expect(dissect(file, BAD, "_ws.expert.message")).toEqual([]);
    const { events } = await readCassette(run.path);
    const recorded = events.filter(({ kind }) => kind !== "cancel");
    const controls = dissect(file, "usb.transfer_type == 2").length;
    const others = dissect(file, transfers).length;
    expect(others).toBeGreaterThan(100);
    const plugIn = bridge === "mcp2210" ? 8 : 6;
    expect(others + controls - plugIn).toBe(recorded.length);
    report.push(`  ${bridge} info: ${others} events of its endpoints`);
  });
});
