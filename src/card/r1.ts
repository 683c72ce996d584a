export { describeR1, R1, R1_ERRORS, r1Names } from "../spi/r1.js";
