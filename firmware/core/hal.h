/* What a target gives the core. One thread; nothing here is called from an interrupt but what the target itself does inside. */
#ifndef MMCPSTORE_HAL_H
#define MMCPSTORE_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Build-time facts of a target, in its target.h: TARGET_ID (SDX_TARGET_...), TARGET_NAME (at most 16 characters), TARGET_WINDOW, TARGET_MAX_PAYLOAD,
 * TARGET_SILENCE_MS, TARGET_DEADMAN_BYTES (0: none), TARGET_SERIAL_BUFFER, TARGET_MIN_HZ, TARGET_MAX_HZ, TARGET_POWER_SWITCH (0, 1),
 * TARGET_MAX_WRITE and TARGET_MAX_READ of one O_SPIOP, both >= 4096 but on the smallest. */

#define HAL_NOTHING (-1)

/* Clocks, pins let go, CS high by its pull-up, card power on, link up. */
void hal_init(void);

/* The next byte of the host, or HAL_NOTHING after so many ms without one. 0: does not wait. Puts out what hal_put still holds before it waits. */
int hal_get(uint32_t timeout_ms);

/* True if hal_get(0) would give a byte, or the host sent a break. */
bool hal_host_waiting(void);

/*
 * To the host. False if the host has taken nothing for 1000 ms: the bytes are dropped, as are all after them, until hal_get has given a byte again. Never
 * waits longer, so that a dead host does not stop a dead-man record.
 */
bool hal_put(const uint8_t *bytes, size_t length);
void hal_flush(void);

/* Bytes from the host that were lost because nobody took them in time, since start. */
uint32_t hal_lost(void);

/* Milliseconds since start; wraps. */
uint32_t hal_ms(void);

/* Something that differs between two starts, as far as the target can. */
uint16_t hal_noise(void);

/* SPI mode 0, MSB first. `out` NULL: FF. `in` NULL: dropped. */
void hal_spi(const uint8_t *out, uint8_t *in, size_t length);

void hal_cs(bool low);

/* The next lower frequency that there is, or the lowest; returns it. */
uint32_t hal_frequency(uint32_t hz);

/* True: CS, SCK and MOSI driven, MISO pulled up. False: all let go. */
void hal_pins(bool driven);

/* Card power. False if there is no switch. */
bool hal_power(bool on);

/* A light, where there is one. */
void hal_led(bool on);

/* For waits that clock nothing. */
void hal_sleep(uint32_t ms);

#endif
