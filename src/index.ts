export { BLOCK_SIZE, type BlockDevice, BlockError, type BlockGeometryHints } from "./block/device.js";
