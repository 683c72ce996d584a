import { describe, expect, test } from "@jest/globals";
import { OperationBridge } from "../../../src/card/spi-mode/operation-bridge.js";
import type { ReceiveParser, Segment, SpiBridge, Transaction } from "../../../src/spi/bridge.js";
import { toHex } from "../../../src/util/bytes.js";

const NO_DEADLINE = { atUs: Infinity };
const LIMITS = { maxWriteBytes: 600, maxReadBytes: 200 };

/** Writes operations down as `write>read length`; reads give what is queued, then FF. */
class Operations implements SpiBridge {
  readonly log: string[] = [];
  readonly answers: number[] = [];
  readonly capabilities = { operation: LIMITS } as unknown as SpiBridge["capabilities"];
  onSubmit: () => void = () => undefined;

  async configure(settings: { readonly frequencyHz: number }): Promise<{ frequencyHz: number }> {
    return settings;
  }

  async submit({ segments }: Transaction): Promise<{ status: "done"; segment: number }> {
    const kinds = segments.map(({ kind }) => kind).filter((kind) => kind !== "write");
    const [write] = segments.flatMap((segment) => (segment.kind === "write" ? [segment.data] : []));
    const [into] = segments.flatMap((segment) => (segment.kind === "read" ? [segment.into] : []));
    expect(kinds).toEqual(["select", ...(into === undefined ? [] : ["read"]), "deselect"]);
    into?.forEach((_, at) => {
      into[at] = this.answers.shift() ?? 0xff;
    });
    this.log.push(`${shown(write)}>${into?.length ?? 0}`);
    this.onSubmit();
    return { status: "done", segment: segments.length - 1 };
  }

  async abort(): Promise<"high"> {
    return "high";
  }

  async close(): Promise<void> {
    this.log.push("closed");
  }
}

function shown(bytes: Uint8Array = new Uint8Array(0)): string {
  return bytes.length > 8 ? `${bytes.length} bytes` : toHex(bytes);
}

/** Done once it has seen `end`. */
class Until implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  readonly atLeast = 1;
  readonly seen: number[] = [];
  readonly #end: number;

  constructor(end: number) {
    this.#end = end;
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number;
      this.seen.push(byte);
      if (byte === 0xee) this.status = "failed";
      if (byte === this.#end) this.status = "done";
      if (this.status !== "more") return at + 1 - from;
    }
    return to - from;
  }
}

function rig(answers: readonly number[] = []): {
  inner: Operations;
  run: (...segments: Segment[]) => Promise<{ status: string; segment: number }>;
  bridge: OperationBridge;
} {
  const inner = new Operations();
  inner.answers.push(...answers);
  const bridge = new OperationBridge(inner, LIMITS);
  const run = (...segments: Segment[]): Promise<{ status: string; segment: number }> =>
    bridge.submit({ label: "test", segments }, NO_DEADLINE);
  return { inner, run, bridge };
}

const SELECT = { kind: "select" } as const;
const DESELECT = { kind: "deselect" } as const;

describe("transactions as operations", () => {
  test("a command and its response, clocks with CS high in front", async () => {
    const { inner, run } = rig([0xff, 0x01]);
    const parser = new Until(1);
    const data = Uint8Array.of(0x40, 0x95);
    expect(
      await run(
        DESELECT,
        { kind: "idle", bytes: 1 },
        SELECT,
        { kind: "write", data },
        { kind: "receive", parser, hint: 2 },
      ),
    ).toEqual({ status: "done", segment: 4 });
    expect(inner.log).toEqual(["ff4095>34"]);
    expect(parser.seen).toEqual([0xff, 1]);
  });

  test("what stands behind goes to the segments behind, whole", async () => {
    const { run, inner } = rig([1, 2, 3, 4, 5]);
    const [first, second] = [new Uint8Array(2), new Uint8Array(1)];
    const parser = new Until(4);
    await run(
      SELECT,
      { kind: "read", into: first },
      { kind: "receive", parser, hint: 1 },
      { kind: "read", into: second },
      DESELECT,
    );
    expect([[...first], parser.seen, [...second]]).toEqual([[1, 2], [3, 4], [5]]);
    expect(inner.log).toEqual([">36"]);
  });

  test("CS between two writes makes two operations; clocks with it high alone make none", async () => {
    const { inner, run } = rig();
    const data = Uint8Array.of(1);
    await run(SELECT, { kind: "write", data }, DESELECT, SELECT, { kind: "write", data }, DESELECT);
    await run(DESELECT, { kind: "idle", bytes: 1 });
    await run(SELECT, { kind: "idle", bytes: 3 });
    expect(inner.log).toEqual(["01>0", "01>0", "ffffff>0"]);
  });

  test("long clocks are cut, long reads go on", async () => {
    const { inner, run } = rig(Array.from({ length: 500 }, (_, at) => at & 0x7f));
    await run(SELECT, { kind: "idle", bytes: 1300 });
    const into = new Uint8Array(230);
    await run(SELECT, { kind: "read", into });
    expect([...into]).toEqual(Array.from({ length: 230 }, (_, at) => at & 0x7f));
    expect(inner.log).toEqual(["600 bytes>0", "600 bytes>0", "100 bytes>0", ">200", "ff>64"]);
  });

  test("busy is asked for again and again, more at a time", async () => {
    const { inner, run } = rig([...new Array(500).fill(0), 0xaa]);
    const parser = new Until(0xaa);
    await run(SELECT, { kind: "receive", parser, hint: 2, resumable: true });
    expect(inner.log).toEqual([">34", "ff>64", "ff>128", "ff>200", "ff>200"]);
    expect(parser.status).toBe("done");
  });

  test("what may not be interrupted stops there, and so does what fails", async () => {
    const { inner, run } = rig([0, 0, 0]);
    const parser = new Until(0xaa);
    const more = await run(SELECT, { kind: "receive", parser, hint: 1 }, DESELECT);
    expect([more, parser.status]).toEqual([{ status: "stopped", segment: 1 }, "more"]);
    inner.answers.push(0xee);
    const behind = { kind: "receive", parser: new Until(1), hint: 1 } as const;
    const failing = { kind: "receive", parser: new Until(0), hint: 1, resumable: true } as const;
    expect(await run(SELECT, failing, behind)).toEqual({ status: "stopped", segment: 1 });
    expect(inner.log).toHaveLength(2);
  });

  test("both directions at once cannot be", async () => {
    const { run } = rig();
    const data = new Uint8Array(1);
    await expect(run(SELECT, { kind: "exchange", data, into: data })).rejects.toMatchObject({
      code: "BRIDGE_UNSUPPORTED",
    });
  });

  test("an abort ends what polls, and close closes", async () => {
    const { inner, run, bridge } = rig(new Array(5000).fill(0));
    let operations = 0;
    inner.onSubmit = () => {
      if (++operations === 3) void bridge.abort(NO_DEADLINE);
    };
    const busy = { kind: "receive", parser: new Until(1), hint: 1, resumable: true } as const;
    await expect(run(SELECT, busy)).rejects.toMatchObject({ code: "BRIDGE_CANCELLED" });
    expect(operations).toBe(3);
    await bridge.close();
    expect(inner.log.at(-1)).toBe("closed");
  });
});
