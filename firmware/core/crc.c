#include "crc.h"

#define CRC7_POLYNOMIAL 0x09
#define CRC32_POLYNOMIAL 0xEDB88320UL

uint8_t crc7(const uint8_t *bytes, size_t length)
{
    uint8_t crc = 0;

    for (size_t at = 0; at < length; at++) {
        crc ^= bytes[at];
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ CRC7_POLYNOMIAL << 1 : crc << 1);
    }
    return crc >> 1;
}

/* 0x1021 has three bits, so a whole byte goes through in three shifts. */
uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t length)
{
    while (length-- > 0) {
        crc = (uint16_t)(crc >> 8 | crc << 8);
        crc ^= *bytes++;
        crc ^= (uint16_t)((crc & 0xFF) >> 4);
        crc ^= (uint16_t)(crc << 12);
        crc ^= (uint16_t)((crc & 0xFF) << 5);
    }
    return crc;
}

uint32_t crc32(const uint8_t *bytes, size_t length)
{
    uint32_t crc = 0xFFFFFFFFUL;

    while (length-- > 0) {
        crc ^= *bytes++;
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ CRC32_POLYNOMIAL : crc >> 1;
    }
    return ~crc;
}
