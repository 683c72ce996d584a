import { usbCutShard } from "./shard.js";

usbCutShard(({ death, pins }) => death === "process" && pins === "hold");
