/* A dead-man record: its plan (protocol.h), and the writing of it. */
#ifndef MMCPSTORE_PLAN_H
#define MMCPSTORE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct plan {
    const uint8_t *store;
    uint32_t length; /* of the store, bytes */
    uint32_t offset; /* of the plan in it */
};

struct fired {
    uint8_t outcome; /* SDX_OUTCOME_... */
    uint8_t steps;
    uint8_t writes;
    uint32_t ms;
};

/* Everything that it points at lies in the store. */
bool plan_is_sound(const struct plan *plan);

/* Takes the card back, and writes; never longer than `deadline_ms`, but for what the card is doing just then. */
struct fired plan_fire(const struct plan *plan, uint32_t deadline_ms);

#endif
