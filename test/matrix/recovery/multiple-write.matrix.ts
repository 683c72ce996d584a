import { recoveryShard } from "./shard.js";

recoveryShard(/^CMD25/);
