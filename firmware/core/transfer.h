/* One command, or one transfer, from its request to a card that is known to be at rest. */
#ifndef MMCPSTORE_TRANSFER_H
#define MMCPSTORE_TRANSFER_H

#include "card.h"

struct request {
    struct command command;
    struct timer deadline;
    uint8_t flags; /* SDX_OPEN_ENDED */
    uint16_t block; /* bytes */
    uint32_t blocks;
    uint16_t token_ms;
};

struct outcome {
    uint8_t status; /* SDX_OK... */
    struct response response;
    uint8_t detail;
    uint8_t flags; /* SDX_CARD_KNOWN */
    uint32_t blocks;
    /* The data parts were damaged: what still comes is no message. */
    bool damaged;
    /* Data parts of a write that were not taken. */
    uint32_t parts_left;
};

struct outcome run_command(const struct request *request);
struct outcome run_read(const struct request *request);
struct outcome run_write(const struct request *request);

/* One block between the card and the buffer, for others than the host. */
uint8_t take_block(uint16_t block, const struct timer *deadline, bool stoppable, uint8_t *detail);
uint8_t give_block(uint16_t block, uint8_t token, const struct timer *deadline, uint8_t *detail);

/* Ends what a failed transfer left, and proves it by the card's status; SDX_CARD_KNOWN or 0. */
uint8_t settle_read(bool open_ended, const struct timer *deadline);

/* The same; `told`: the first status, which says why a block was refused. FF FF: none. */
uint8_t settle_write(bool open_ended, const struct timer *deadline, uint8_t told[2]);

/* Stop token, and its busy. */
bool stop_writing(const struct timer *deadline);

#endif
