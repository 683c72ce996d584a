#include "host.h"

#include "hal.h"
#include "stats.h"

#define DROPPED_AT_ONCE 16

struct stats stats;

static uint16_t silence_ms;
static uint32_t heard_at;

void host_set_silence(uint16_t ms) { silence_ms = ms; }

uint16_t host_silence(void) { return silence_ms; }

uint32_t host_silent_for(void) { return hal_ms() - heard_at; }

bool host_begin(uint8_t *byte, uint32_t ms)
{
    int got = hal_get(ms);

    if (got == HAL_NOTHING)
        return false;
    *byte = (uint8_t)got;
    stats.from_host++;
    heard_at = hal_ms();
    return true;
}

bool host_take(uint8_t *into, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        int got = hal_get(silence_ms);

        if (got == HAL_NOTHING)
            return false;
        into[at] = (uint8_t)got;
    }
    stats.from_host += (uint32_t)length;
    heard_at = hal_ms();
    return true;
}

void host_skip(uint32_t length)
{
    uint8_t dropped[DROPPED_AT_ONCE];

    while (length > 0) {
        size_t part = length < DROPPED_AT_ONCE ? (size_t)length : DROPPED_AT_ONCE;

        if (!host_take(dropped, part))
            return;
        length -= (uint32_t)part;
    }
}

void host_drop(void)
{
    uint8_t dropped;

    while (host_take(&dropped, 1))
        ;
}

bool host_put(const uint8_t *bytes, size_t length)
{
    if (!hal_put(bytes, length))
        return false;
    stats.to_host += (uint32_t)length;
    heard_at = hal_ms();
    return true;
}

bool host_put_byte(uint8_t byte) { return host_put(&byte, 1); }
