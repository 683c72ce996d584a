/* The stream from and to the host: bytes, and how long a pause within a message may be. */
#ifndef MMCPSTORE_HOST_H
#define MMCPSTORE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What counts as a pause that ends a message, ms. */
void host_set_silence(uint16_t ms);
uint16_t host_silence(void);

/* The byte that begins a message, if one comes within `ms`. */
bool host_begin(uint8_t *byte, uint32_t ms);

/* Bytes of a message that has begun. False after a pause; what came before it is lost. */
bool host_take(uint8_t *into, size_t length);

/* Reads and drops `length` bytes, or those that come before a pause. */
void host_skip(uint32_t length);

/* Reads and drops until there is a pause. */
void host_drop(void);

/* False if the host takes nothing any more. */
bool host_put(const uint8_t *bytes, size_t length);
bool host_put_byte(uint8_t byte);

/* ms since the host was last heard, or took data. */
uint32_t host_silent_for(void);

#endif
