#include "transfer.h"

#include "protocol.h"

/* The rest of a block that the card may still be sending, or waiting for. */
#define BLOCK_REST 544
#define STOP_TRIES 2
/* A receiver out of step takes FD and FFs for a command: its answer is clocked out. */
#define AFTER_STRAY_TOKEN 16

/* Two statuses: the first one after trouble shows the old trouble, the second must be clean. */
static bool in_transfer_state(uint8_t told[2])
{
    uint8_t status[2];

    (void)card_status(told);
    (void)card_status(status);
    return status[0] == 0 && status[1] == 0;
}

static uint8_t known(bool clean)
{
    card_doing = clean ? DOING_NOTHING : card_doing;
    return clean ? SDX_CARD_KNOWN : 0;
}

uint8_t settle_read(bool open_ended, const struct timer *deadline)
{
    uint8_t told[2], r1;

    card_doing = DOING_READ;
    if (!open_ended)
        spi_idle(BLOCK_REST);
    for (uint8_t tries = 0; open_ended && tries < STOP_TRIES; tries++) {
        if (card_stop(deadline, &r1) && r1 != SDX_NO_R1 && !(r1 & R1_CRC_ERROR))
            break;
    }
    return known(in_transfer_state(told));
}

bool stop_writing(const struct timer *deadline)
{
    /* The byte behind the token says nothing yet (NBR). */
    static const uint8_t STOP[] = {0xFF, TOKEN_STOP, 0xFF};

    spi_exchange(STOP, NULL, sizeof STOP);
    return spi_ready(deadline, false) == WAIT_DONE;
}

uint8_t settle_write(bool open_ended, const struct timer *deadline, uint8_t told[2])
{
    uint8_t again[2], r1;

    card_doing = DOING_WRITE;
    told[0] = told[1] = SDX_NO_R1;
    if (spi_ready(deadline, false) != WAIT_DONE)
        return 0;
    if (!open_ended)
        return known(in_transfer_state(told));
    (void)card_stop(deadline, &r1);
    if (in_transfer_state(told))
        return known(true);
    hal_cs(true);
    (void)stop_writing(deadline);
    spi_idle(AFTER_STRAY_TOKEN);
    if (spi_ready(deadline, false) != WAIT_DONE)
        return 0;
    return known(in_transfer_state(again));
}
