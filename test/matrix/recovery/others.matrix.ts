import { recoveryShard } from "./shard.js";

recoveryShard(/^(?!CMD1[78]|CMD12|CMD24|CMD25|ACMD23)/);
