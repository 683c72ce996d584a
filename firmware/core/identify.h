/* A card that answers nothing but CMD0 is brought to transfer state (SD Physical Layer 7.2.1), and told from another one. */
#ifndef MMCPSTORE_IDENTIFY_H
#define MMCPSTORE_IDENTIFY_H

#include "transfer.h"

/* `flags`: of the plan. False: no card, or none that comes up in time. */
bool identify(uint8_t flags, const struct timer *deadline);

/* CMD10 gives these 16 bytes. */
bool is_card(const uint8_t *cid, const struct timer *deadline);

/* A command in a CS frame of its own; R1, or SDX_NO_R1. */
struct response ask_card(uint8_t index, bool app, uint32_t argument, uint8_t kind);

#endif
