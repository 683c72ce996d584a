/* Arduino Uno and Nano (16 MHz, 5 V: the card needs level shifters), Pro Mini (8 MHz, 3.3 V). */
#ifndef MMCPSTORE_TARGET_H
#define MMCPSTORE_TARGET_H

#include "protocol.h"

#define TARGET_ID SDX_TARGET_ATMEGA328P
#define TARGET_NAME "mmcpstore avr"
/* The UART has no flow control: one block may come while the card has the one before. */
#define TARGET_WINDOW 1
#define TARGET_MAX_PAYLOAD 64
#define TARGET_SILENCE_MS 20
#define TARGET_DEADMAN_BYTES 0
/* A data part, and the frame that may follow it. */
#define TARGET_SERIAL_BUFFER 560
#define TARGET_MIN_HZ (F_CPU / 128)
#define TARGET_MAX_HZ (F_CPU / 2)
#define TARGET_POWER_SWITCH 0
/* What the ring holds while the slowest clock has the bytes before. */
#define TARGET_MAX_WRITE 512
#define TARGET_MAX_READ 65536

#endif
