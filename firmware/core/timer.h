/* Deadlines in ms, on a counter that wraps. */
#ifndef MMCPSTORE_TIMER_H
#define MMCPSTORE_TIMER_H

#include "hal.h"

struct timer {
    uint32_t start;
    uint32_t ms;
};

static inline struct timer timer_in(uint32_t ms) { return (struct timer){hal_ms(), ms}; }

static inline uint32_t timer_spent(const struct timer *timer) { return hal_ms() - timer->start; }

static inline bool timer_over(const struct timer *timer) { return timer_spent(timer) >= timer->ms; }

static inline uint32_t timer_left(const struct timer *timer)
{
    uint32_t spent = timer_spent(timer);

    return spent >= timer->ms ? 0 : timer->ms - spent;
}

#endif
