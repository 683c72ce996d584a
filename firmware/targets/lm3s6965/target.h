/*
 * TI EK-LM3S6965 evaluation board, and QEMU's lm3s6965evb: UART0 behind the board's USB port, microSD socket on SSI0.
 */
#ifndef MMCPSTORE_TARGET_H
#define MMCPSTORE_TARGET_H

#include "protocol.h"

#define TARGET_ID SDX_TARGET_LM3S6965
#define TARGET_NAME "mmcpstore lm3s"
/*
 * The UART has no flow control, but the ring holds what comes while a card is busy (250 ms, SD Physical Layer 4.6.2.2) at up to 460800
 * baud, and a card is faster than that line on an average.
 */
#define TARGET_WINDOW 0
#define TARGET_MAX_PAYLOAD 1024
#define TARGET_SILENCE_MS 50
#define TARGET_DEADMAN_BYTES 24576
#define TARGET_SERIAL_BUFFER 24576
/* 50 MHz by 254 x 256, and by 2, held to what wires stand. */
#define TARGET_MIN_HZ 100000
#define TARGET_MAX_HZ 25000000
#define TARGET_POWER_SWITCH 0
#define TARGET_MAX_WRITE 65536
#define TARGET_MAX_READ 65536

#endif
