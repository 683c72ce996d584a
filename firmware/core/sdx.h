/* The polled-SD extension (protocol.h): sessions, frames, sequence numbers. */
#ifndef MMCPSTORE_SDX_H
#define MMCPSTORE_SDX_H

#include <stdbool.h>
#include <stdint.h>

bool sdx_in_session(void);

/* SDX_INFO. */
void sdx_begin_session(void);

/* What begins with `opcode`, within a session. */
void sdx_message(uint8_t opcode);

/* A frame of the host, its payload in the buffer. */
struct frame {
    uint8_t opcode;
    uint8_t sequence;
    uint16_t length;
};

/* What the host may ask for again: the last counted request. */
struct last {
    uint8_t sequence;
    uint8_t opcode; /* 0: none */
    uint8_t status;
    uint8_t length;
    uint8_t payload[20];
};
extern struct last sdx_last;

/* Of an uncounted one: not kept. */
void sdx_reply(uint8_t sequence, uint8_t status, const uint8_t *payload, uint16_t length);

#endif
