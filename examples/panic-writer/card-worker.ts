// The worker thread that owns the card. Nothing else in the program may open it.
import { tmpdir } from "node:os";
import { workerData } from "node:worker_threads";
import { runPanicWorker, silentLog } from "mmcpstore";

const { memory, device } = workerData as {
  readonly memory: SharedArrayBuffer;
  readonly device: string;
};

await runPanicWorker(memory, {
  device,
  open: { log: silentLog, crc: true, version: "1", lockDir: tmpdir() },
});
