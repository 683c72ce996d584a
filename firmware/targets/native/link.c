/* The host's stream: hal_get and hal_put over file descriptors. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hal.h"
#include "native.h"

#define RING 4096
#define PATIENCE_MS 1000

static int in_fd, out_fd;
static uint8_t in[RING], out[RING];
static size_t in_at, in_end, out_end;
static bool is_deaf;
static uint32_t started_ms;

static uint32_t machine_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000 + (uint32_t)(now.tv_nsec / 1000000);
}

void link_open(int input, int output)
{
    started_ms = machine_ms();
    in_fd = input;
    out_fd = output;
}

bool ready_within(int fd, short events, int ms)
{
    struct pollfd poller = {.fd = fd, .events = events};
    uint32_t start = hal_ms();
    int got;

    do {
        int left = ms - (int)(hal_ms() - start);

        got = poll(&poller, 1, left > 0 ? left : 0);
    } while (got < 0 && errno == EINTR);
    return got > 0;
}

/* The host has closed its end: so does this. */
static void fill(void)
{
    ssize_t got = read(in_fd, in, sizeof in);

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        exit(0);
    in_at = 0;
    in_end = got > 0 ? (size_t)got : 0;
}

bool hal_host_waiting(void)
{
    if (in_at == in_end && ready_within(in_fd, POLLIN, 0))
        fill();
    return in_at < in_end;
}

int hal_get(uint32_t timeout_ms)
{
    if (!hal_host_waiting()) {
        hal_flush();
        if (timeout_ms > 0 && ready_within(in_fd, POLLIN, (int)timeout_ms))
            fill();
    }
    if (in_at == in_end)
        return HAL_NOTHING;
    is_deaf = false;
    return in[in_at++];
}

void hal_flush(void)
{
    size_t at = 0;

    while (at < out_end && !is_deaf) {
        ssize_t put;

        if (!ready_within(out_fd, POLLOUT, PATIENCE_MS)) {
            is_deaf = true;
            break;
        }
        put = write(out_fd, out + at, out_end - at);
        if (put < 0 && errno != EINTR && errno != EAGAIN)
            exit(0);
        at += put > 0 ? (size_t)put : 0;
    }
    out_end = 0;
}

bool hal_put(const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length && !is_deaf; at++) {
        if (out_end == sizeof out)
            hal_flush();
        out[out_end++] = bytes[at];
    }
    return !is_deaf;
}

uint32_t hal_lost(void) { return 0; }

uint32_t hal_ms(void) { return machine_ms() - started_ms; }

void hal_sleep(uint32_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    hal_flush();
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

uint16_t hal_noise(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint16_t)(getpid() ^ now.tv_nsec >> 10);
}
