/* SDX_ABORT: what became of the last request, and recovery of the card. */
#include "buffer.h"
#include "bytes.h"
#include "protocol.h"
#include "recovery.h"
#include "requests.h"

/* Of a result that is kept (SDX_RESULT_BYTES). */
#define RESULT_FLAGS 6
#define RESULT_BLOCKS 8

static void last_into(uint8_t *reply)
{
    reply[0] = sdx_last.sequence;
    reply[1] = sdx_last.opcode;
    reply[2] = sdx_last.status;
    if (sdx_last.length == SDX_RESULT_BYTES) {
        reply[3] = sdx_last.payload[RESULT_FLAGS];
        copy_bytes(reply + 4, sdx_last.payload + RESULT_BLOCKS, 4);
    }
}

static void recovery_into(uint8_t *reply, const struct recovery *recovery)
{
    reply[8] = recovery->outcome;
    copy_bytes(reply + 9, recovery->status, 2);
    reply[11] = recovery->step_count;
    copy_bytes(reply + 12, recovery->steps, recovery->step_count);
    put32(reply + 28, spi_bytes - spi_waited);
    put32(reply + 32, spi_waited);
}

void request_abort(const struct frame *frame)
{
    uint8_t reply[SDX_ABORT_REPLY_BYTES] = {0};
    struct recovery recovery = {.status = {SDX_NO_R1, SDX_NO_R1}, .stoppable = true};

    if (frame->length != SDX_ABORT_BYTES) {
        sdx_reply(frame->sequence, SDX_BAD_REQUEST, reply, sizeof reply);
        return;
    }
    recovery.flags = buffer[0];
    recovery.deadline = timer_in(get24(buffer + 1));
    last_into(reply);
    spi_bytes = spi_waited = 0;
    if (recovery.flags & SDX_RECOVER)
        recover(&recovery);
    recovery_into(reply, &recovery);
    sdx_reply(frame->sequence, SDX_OK, reply, sizeof reply);
}
