import { recoveryShard } from "./shard.js";

recoveryShard(/^CMD24/);
