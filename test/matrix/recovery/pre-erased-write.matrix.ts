import { recoveryShard } from "./shard.js";

recoveryShard(/^ACMD23/);
