/* What SDX_STATS tells. */
#ifndef MMCPSTORE_STATS_H
#define MMCPSTORE_STATS_H

#include <stdint.h>

struct stats {
    uint32_t frames;
    uint32_t damaged;
    uint32_t repeated;
    uint32_t from_host;
    uint32_t to_host;
    uint32_t spi;
    uint32_t polling;
    uint32_t blocks_read;
    uint32_t blocks_written;
};

extern struct stats stats;

#endif
