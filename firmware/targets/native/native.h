/* The parts of this target. */
#ifndef MMCPSTORE_NATIVE_H
#define MMCPSTORE_NATIVE_H

#include <stdbool.h>

/* The host's end of the link: two file descriptors, which may be the same. */
void link_open(int in, int out);

/* Messages to whoever plays the pins; see README.md. */
void pins_open(int fd);

/* Ends the process with a line on standard error. */
_Noreturn void fail(const char *what);

/* How long `fd` takes to be ready for `events`; false after `ms`. */
bool ready_within(int fd, short events, int ms);

#endif
