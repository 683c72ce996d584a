/* Brings the card back from whatever byte of whatever command was the last that it got, without CMD0. */
#ifndef MMCPSTORE_RECOVERY_H
#define MMCPSTORE_RECOVERY_H

#include "protocol.h"
#include "spi.h"

struct recovery {
    /* What is known: SDX_CRC_PROVED, SDX_MAY_BE_READING, SDX_HOST_KNOWS. */
    uint8_t flags;
    struct timer deadline;
    /* A byte of the host ends it. */
    bool stoppable;
    /* The report. */
    uint8_t outcome; /* SDX_READY... */
    uint8_t status[2];
    uint8_t steps[SDX_MAX_STEPS];
    uint8_t step_count;
};

/* Counts into spi_bytes and spi_waited. */
void recover(struct recovery *recovery);

#endif
