#include "deadman.h"

#include "buffer.h"
#include "bytes.h"
#include "crc.h"
#include "hal.h"
#include "host.h"
#include "plan.h"
#include "protocol.h"
#include "requests.h"
#include "target.h"

#if TARGET_DEADMAN_BYTES > 0

static uint8_t store[TARGET_DEADMAN_BYTES];
static struct plan plan = {.store = store};
static uint8_t state;
static uint32_t heartbeat_ms, deadline_ms;
static struct fired fired;

/* Once: who wants another record arms it again. */
static void fire(void)
{
    state = SDX_DEADMAN_FIRED;
    hal_led(true);
    fired = plan_fire(&plan, deadline_ms);
    hal_led(false);
}

void deadman_poll(void)
{
    if (state == SDX_DEADMAN_ARMED && host_silent_for() >= heartbeat_ms)
        fire();
}

void deadman_host_changed(void)
{
    if (state == SDX_DEADMAN_ARMED)
        fire();
}

static uint8_t clear(void)
{
    state = SDX_DEADMAN_OFF;
    fired = (struct fired){0};
    return SDX_OK;
}

static uint8_t load(uint16_t length)
{
    uint32_t offset, bytes = (uint32_t)length - SDX_DEADMAN_LOAD_HEAD_BYTES;

    if (length < SDX_DEADMAN_LOAD_HEAD_BYTES)
        return SDX_BAD_REQUEST;
    offset = get32(buffer + 1);
    if (offset > sizeof store || bytes > sizeof store - offset)
        return SDX_BAD_REQUEST;
    /* What is being changed must not be written. */
    (void)clear();
    copy_bytes(store + offset, buffer + SDX_DEADMAN_LOAD_HEAD_BYTES, (size_t)bytes);
    return SDX_OK;
}

static uint8_t arm(uint16_t length)
{
    if (length != SDX_DEADMAN_ARM_BYTES || get32(buffer + 1) == 0 || get32(buffer + 5) == 0)
        return SDX_BAD_REQUEST;
    (void)clear();
    plan.length = get32(buffer + 9);
    plan.offset = get32(buffer + 17);
    if (plan.length > sizeof store || crc32(store, plan.length) != get32(buffer + 13) || !plan_is_sound(&plan))
        return SDX_NOT_LOADED;
    heartbeat_ms = get32(buffer + 1);
    deadline_ms = get32(buffer + 5);
    state = SDX_DEADMAN_ARMED;
    return SDX_OK;
}

static uint8_t deadman(uint16_t length)
{
    if (length == 0)
        return SDX_BAD_REQUEST;
    switch (buffer[0]) {
    case SDX_DEADMAN_CLEAR:
        return clear();
    case SDX_DEADMAN_LOAD:
        return load(length);
    case SDX_DEADMAN_ARM:
        return arm(length);
    case SDX_DEADMAN_BEAT:
    case SDX_DEADMAN_STATE:
        return SDX_OK;
    default:
        return SDX_UNSUPPORTED;
    }
}

static uint32_t left(void)
{
    uint32_t silent = host_silent_for();

    if (state == SDX_DEADMAN_ARMED)
        return silent >= heartbeat_ms ? 0 : heartbeat_ms - silent;
    return fired.ms;
}

void request_deadman(const struct frame *frame)
{
    uint8_t status = deadman(frame->length);
    uint8_t reply[SDX_DEADMAN_REPLY_BYTES] = {state, fired.outcome, fired.steps, fired.writes};

    put32(reply + 4, left());
    request_ended(status, reply, sizeof reply);
}

#else

void deadman_poll(void) {}

void deadman_host_changed(void) {}

void request_deadman(const struct frame *frame)
{
    (void)frame;
    request_ended(SDX_UNSUPPORTED, NULL, 0);
}

#endif
