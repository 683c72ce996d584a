#include "spi.h"

#include "hal.h"
#include "stats.h"

/* Busy is looked at in pieces, short ones first: most waits are none. */
#define FIRST_LOOK 2
#define NEXT_LOOK 16

uint32_t spi_bytes, spi_waited;

void spi_exchange(const uint8_t *out, uint8_t *in, size_t length)
{
    hal_spi(out, in, length);
    spi_bytes += (uint32_t)length;
    stats.spi += (uint32_t)length;
}

static void count_waiting(size_t length)
{
    spi_waited += (uint32_t)length;
    stats.polling += (uint32_t)length;
}

uint8_t spi_byte(void)
{
    uint8_t in;

    spi_exchange(NULL, &in, 1);
    return in;
}

uint8_t spi_poll(void)
{
    count_waiting(1);
    return spi_byte();
}

void spi_idle(size_t length) { spi_exchange(NULL, NULL, length); }

void spi_select(void)
{
    hal_cs(true);
    spi_idle(1);
}

void spi_deselect(void)
{
    hal_cs(false);
    spi_idle(1);
}

enum waited spi_ready(const struct timer *deadline, bool stoppable)
{
    uint8_t look[NEXT_LOOK];
    uint8_t ones = 0;

    for (size_t length = FIRST_LOOK;; length = NEXT_LOOK) {
        spi_exchange(NULL, look, length);
        count_waiting(length);
        for (size_t at = 0; at < length; at++) {
            ones = look[at] == 0xFF ? (uint8_t)(ones + 1) : 0;
            if (ones == 2)
                return WAIT_DONE;
        }
        if (timer_over(deadline))
            return WAIT_LATE;
        if (stoppable && hal_host_waiting())
            return WAIT_STOPPED;
    }
}
