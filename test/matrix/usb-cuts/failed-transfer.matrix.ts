import { usbCutShard } from "./shard.js";

usbCutShard(({ death }) => death === "transfer");
