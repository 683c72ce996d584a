/* The pins: messages to a process that plays what is wired to them (README.md). */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "bytes.h"
#include "hal.h"
#include "native.h"
#include "target.h"

#define EXCHANGE 1
#define CHIP_SELECT 2
#define FREQUENCY 3
#define POWER 4
#define PINS 5
#define HEAD 3
#define CHUNK 4096
/* Whoever plays the pins answers at once, or not at all. */
#define PATIENCE_MS 60000

static int fd;

void pins_open(int peer) { fd = peer; }

static void put_all(const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);

        if (put < 0 && errno != EINTR)
            fail("the pins are gone");
        if (put > 0) {
            bytes += put;
            length -= (size_t)put;
        }
    }
}

static void get_all(uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t got;

        if (!ready_within(fd, POLLIN, PATIENCE_MS))
            fail("the pins do not answer");
        got = read(fd, bytes, length);
        if (got == 0 || (got < 0 && errno != EINTR))
            fail("the pins are gone");
        if (got > 0) {
            bytes += got;
            length -= (size_t)got;
        }
    }
}

static void message(uint8_t operation, const uint8_t *data, uint16_t length)
{
    uint8_t bytes[HEAD + CHUNK] = {operation};

    put16(bytes + 1, length);
    copy_bytes(bytes + HEAD, data, length);
    put_all(bytes, HEAD + (size_t)length);
}

static void exchange(const uint8_t *out, uint8_t *in, uint16_t length)
{
    uint8_t bytes[CHUNK];

    fill_bytes(bytes, 0xFF, length);
    if (out != NULL)
        copy_bytes(bytes, out, length);
    message(EXCHANGE, bytes, length);
    get_all(bytes, length);
    if (in != NULL)
        copy_bytes(in, bytes, length);
}

void hal_spi(const uint8_t *out, uint8_t *in, size_t length)
{
    for (size_t at = 0; at < length; at += CHUNK) {
        uint16_t part = (uint16_t)(length - at < CHUNK ? length - at : CHUNK);

        exchange(out == NULL ? NULL : out + at, in == NULL ? NULL : in + at, part);
    }
}

static void say(uint8_t operation, uint8_t value) { message(operation, &value, 1); }

void hal_cs(bool low) { say(CHIP_SELECT, low ? 0 : 1); }

uint32_t hal_frequency(uint32_t hz)
{
    uint8_t bytes[4];
    uint32_t most = hz < TARGET_MAX_HZ ? hz : TARGET_MAX_HZ;
    uint32_t set = most > TARGET_MIN_HZ ? most : TARGET_MIN_HZ;

    put32(bytes, set);
    message(FREQUENCY, bytes, sizeof bytes);
    return set;
}

void hal_pins(bool driven) { say(PINS, driven ? 1 : 0); }

bool hal_power(bool on)
{
    if (native_power_switch)
        say(POWER, on ? 1 : 0);
    return native_power_switch;
}

void hal_led(bool on) { (void)on; }
