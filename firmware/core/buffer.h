/*
 * The one large buffer: a data part on its way in either direction, or the payload of a frame. A data part of the host (SDX_DATA, number,
 * block, CRC16) becomes what goes to the card (FF, token, block, CRC16) where it lies, and the other way round.
 */
#ifndef MMCPSTORE_BUFFER_H
#define MMCPSTORE_BUFFER_H

#include <stdint.h>

#include "protocol.h"
#include "target.h"

#define MAX_BLOCK 512
#define PART_BYTES(block) (SDX_DATA_HEAD_BYTES + (block) + SDX_CRC_BYTES)
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
#define BUFFER_BYTES LARGER(PART_BYTES(MAX_BLOCK), TARGET_MAX_PAYLOAD + SDX_CRC_BYTES)

extern uint8_t buffer[BUFFER_BYTES];

#endif
