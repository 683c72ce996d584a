/* The programmer that flashrom knows (its serprog-protocol, version 1, with 0x16 to 0x18), outside a session of the extension. */
#ifndef MMCPSTORE_SERPROG_H
#define MMCPSTORE_SERPROG_H

#include <stddef.h>
#include <stdint.h>

/* Until a host says otherwise, Hz: what a card allows before it is identified. */
#define SERPROG_START_HZ 400000
/* Within a command, ms: other hosts know nothing of pauses. */
#define SERPROG_PATIENCE_MS 500

void serprog_command(uint8_t opcode);

void serprog_ack(const uint8_t *bytes, size_t length);
void serprog_nak(void);

#endif
