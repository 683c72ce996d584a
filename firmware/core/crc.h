/* Checksums, without tables: the smallest target has 2 KiB of RAM. */
#ifndef MMCPSTORE_CRC_H
#define MMCPSTORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC7 of SD Physical Layer 4.5, in bits 6..0. */
uint8_t crc7(const uint8_t *bytes, size_t length);

/* CRC16-CCITT of SD Physical Layer 4.5 (polynomial 0x1021, high bit first), going on from `crc`. */
uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t length);

/* CRC-32 (ISO 3309, reflected), whole. */
uint32_t crc32(const uint8_t *bytes, size_t length);

#endif
