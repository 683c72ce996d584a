/* What the opcodes of the extension do; each takes its payload from the buffer. */
#ifndef MMCPSTORE_REQUESTS_H
#define MMCPSTORE_REQUESTS_H

#include "sdx.h"
#include "transfer.h"

/* The end of SDX_COMMAND, SDX_READ and SDX_WRITE, as `last` keeps it. False: what still comes is no message. */
bool request_transfer(const struct frame *frame);

/* Data parts that follow a SDX_WRITE which is not carried out. */
void request_skip_parts(const struct frame *frame);

void request_control(const struct frame *frame);
void request_abort(const struct frame *frame);
void request_stats(const struct frame *frame);
void request_deadman(const struct frame *frame);

/* Into `sdx_last`. */
void request_ended(uint8_t status, const uint8_t *payload, uint8_t length);

#endif
