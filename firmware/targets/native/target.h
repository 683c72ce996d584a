/* A Linux process: for tests, sanitizers and fuzzing, and the model of this firmware behind `sim:`. */
#ifndef MMCPSTORE_TARGET_H
#define MMCPSTORE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

/* Options of the command line. */
extern uint8_t native_window;
extern uint16_t native_silence_ms;
extern bool native_power_switch;

#define TARGET_ID SDX_TARGET_NATIVE
#define TARGET_NAME "mmcpstore native"
#define TARGET_WINDOW native_window
#define TARGET_MAX_PAYLOAD 1024
#define TARGET_SILENCE_MS native_silence_ms
#define TARGET_DEADMAN_BYTES 262144
#define TARGET_SERIAL_BUFFER 4096
#define TARGET_MIN_HZ 100000
#define TARGET_MAX_HZ 25000000
#define TARGET_POWER_SWITCH native_power_switch
#define TARGET_MAX_WRITE 65536
#define TARGET_MAX_READ 65536

#endif
