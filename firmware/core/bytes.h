/* Little-endian numbers in byte arrays. */
#ifndef MMCPSTORE_BYTES_H
#define MMCPSTORE_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t get16(const uint8_t *from) { return (uint16_t)(from[0] | from[1] << 8); }

static inline uint32_t get24(const uint8_t *from) { return get16(from) | (uint32_t)from[2] << 16; }

static inline uint32_t get32(const uint8_t *from) { return get16(from) | (uint32_t)get16(from + 2) << 16; }

static inline void put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *to, uint32_t value)
{
    put16(to, (uint16_t)value);
    put16(to + 2, (uint16_t)(value >> 16));
}

/* High byte first, as CRC16s stand. */
static inline uint16_t get_crc16(const uint8_t *from) { return (uint16_t)(from[0] << 8 | from[1]); }

static inline void put_crc16(uint8_t *to, uint16_t crc)
{
    to[0] = (uint8_t)(crc >> 8);
    to[1] = (uint8_t)crc;
}

/* There is no libc. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t length)
{
    while (length-- > 0)
        *to++ = *from++;
}

static inline void fill_bytes(uint8_t *to, uint8_t byte, size_t length)
{
    while (length-- > 0)
        *to++ = byte;
}

#endif
