import { recoveryShard } from "./shard.js";

recoveryShard(/^CMD1[78]|^CMD12/);
