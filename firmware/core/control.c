/* SDX_CONTROL. */
#include "buffer.h"
#include "bytes.h"
#include "hal.h"
#include "host.h"
#include "protocol.h"
#include "requests.h"
#include "target.h"

#define MAX_START_UP 1000
#define MIN_SILENCE 5
#define MAX_SILENCE 5000

static uint8_t set_frequency(uint32_t *value)
{
    if (*value == 0)
        return SDX_BAD_REQUEST;
    *value = hal_frequency(*value);
    return SDX_OK;
}

static uint8_t start_up(const uint32_t *value)
{
    if (*value == 0 || *value > MAX_START_UP)
        return SDX_BAD_REQUEST;
    hal_cs(false);
    spi_idle((size_t)*value);
    return SDX_OK;
}

static uint8_t wait_ready(const uint32_t *value)
{
    struct timer deadline = timer_in(*value);
    enum waited waited;

    spi_select();
    waited = spi_ready(&deadline, true);
    spi_deselect();
    if (waited == WAIT_STOPPED)
        return SDX_ABORTED;
    return waited == WAIT_DONE ? SDX_OK : SDX_BUSY;
}

/* A card without power is none: whoever gives it power again has to identify it. */
static uint8_t set_power(const uint32_t *value)
{
    if (!TARGET_POWER_SWITCH || *value > 1)
        return TARGET_POWER_SWITCH ? SDX_BAD_REQUEST : SDX_UNSUPPORTED;
    hal_cs(false);
    if (*value == 0)
        hal_pins(false);
    if (!hal_power(*value != 0))
        return SDX_UNSUPPORTED;
    if (*value != 0)
        hal_pins(true);
    card_doing = DOING_NOTHING;
    return SDX_OK;
}

static uint8_t set_silence(const uint32_t *value)
{
    if (*value < MIN_SILENCE || *value > MAX_SILENCE)
        return SDX_BAD_REQUEST;
    host_set_silence((uint16_t)*value);
    return SDX_OK;
}

static uint8_t control(uint8_t what, uint32_t *value)
{
    switch (what) {
    case SDX_SET_FREQUENCY:
        return set_frequency(value);
    case SDX_START_UP:
        return start_up(value);
    case SDX_RELEASE:
        spi_deselect();
        return SDX_OK;
    case SDX_WAIT_READY:
        return wait_ready(value);
    case SDX_SET_POWER:
        return set_power(value);
    case SDX_SET_SILENCE:
        return set_silence(value);
    case SDX_SET_PINS:
        hal_pins(*value != 0);
        return SDX_OK;
    default:
        return SDX_UNSUPPORTED;
    }
}

void request_control(const struct frame *frame)
{
    uint8_t reply[SDX_CONTROL_REPLY_BYTES], status = SDX_BAD_REQUEST;
    uint32_t value = 0;

    if (frame->length == SDX_CONTROL_BYTES) {
        value = get32(buffer + 1);
        status = control(buffer[0], &value);
    }
    put32(reply, status == SDX_OK ? value : 0);
    request_ended(status, reply, sizeof reply);
}
