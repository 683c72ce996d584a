/* mmcpstore-native: see README.md. */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "core.h"
#include "hal.h"
#include "native.h"
#include "target.h"

#define USAGE_STATUS 2
#define MAX_WINDOW 64
#define MAX_SILENCE 5000

uint8_t native_window;
uint16_t native_silence_ms = 100;
bool native_power_switch;

static bool has_link, has_pins;

_Noreturn void fail(const char *what)
{
    fprintf(stderr, "mmcpstore-native: %s\n", what);
    exit(1);
}

static _Noreturn void usage(void)
{
    fputs("usage: mmcpstore-native (--pty | --stdio | --link-fd N) (--spi-fd N | --spi PATH)\n"
          "                        [--window N] [--silence MS] [--power-switch]\n",
          stderr);
    exit(USAGE_STATUS);
}

static long number(const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < 0 || value > most)
        usage();
    return value;
}

/* Its own end stays open, so that hosts may come and go, as at a serial port. */
static void open_pty(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    struct termios raw;

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        fail("no pty");
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0 || tcgetattr(slave, &raw) != 0)
        fail("no pty");
    raw.c_iflag = 0;
    raw.c_oflag = 0;
    raw.c_lflag = 0;
    raw.c_cflag = CS8 | CREAD | CLOCAL;
    tcsetattr(slave, TCSANOW, &raw);
    printf("%s\n", ptsname(master));
    fflush(stdout);
    link_open(master, master);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(path) >= sizeof address.sun_path)
        fail("the path of the pins is too long");
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fail("nobody plays the pins there");
    return fd;
}

static bool flag(const char *name)
{
    if (strcmp(name, "--pty") == 0)
        open_pty();
    else if (strcmp(name, "--stdio") == 0)
        link_open(STDIN_FILENO, STDOUT_FILENO);
    else if (strcmp(name, "--power-switch") == 0)
        return native_power_switch = true;
    else
        return false;
    return has_link = true;
}

static void option(const char *name, const char *value)
{
    if (strcmp(name, "--link-fd") == 0) {
        int fd = (int)number(value, INT16_MAX);

        link_open(fd, fd);
        has_link = true;
    } else if (strcmp(name, "--spi-fd") == 0) {
        pins_open((int)number(value, INT16_MAX));
        has_pins = true;
    } else if (strcmp(name, "--spi") == 0) {
        pins_open(connect_to(value));
        has_pins = true;
    } else if (strcmp(name, "--window") == 0) {
        native_window = (uint8_t)number(value, MAX_WINDOW);
    } else if (strcmp(name, "--silence") == 0) {
        native_silence_ms = (uint16_t)number(value, MAX_SILENCE);
    } else {
        usage();
    }
}

void hal_init(void) {}

int main(int count, char **words)
{
    for (int at = 1; at < count; at++) {
        if (flag(words[at]))
            continue;
        if (at + 1 == count)
            usage();
        option(words[at], words[at + 1]);
        at++;
    }
    if (!has_link || !has_pins)
        usage();
    hal_init();
    core_init();
    for (;;)
        core_poll();
}
