#include "requests.h"

#include "buffer.h"
#include "bytes.h"
#include "hal.h"
#include "host.h"
#include "protocol.h"
#include "stats.h"
#include "target.h"

static void decode(const struct frame *frame, struct request *request)
{
    const uint8_t *from = buffer;

    *request = (struct request){0};
    request->command.index = from[0] & 0x3F;
    request->command.app = (from[0] & SDX_APP_COMMAND) != 0;
    request->command.argument = get32(from + 1);
    request->command.kind = from[5] & 0x0F;
    request->flags = from[6];
    request->command.wrong_crc = (request->flags & SDX_WRONG_CRC) != 0;
    request->deadline = timer_in(get24(from + 7));
    if (frame->opcode == SDX_COMMAND)
        return;
    request->block = get16(from + 10);
    request->blocks = get32(from + 12);
    request->token_ms = get16(from + 16);
}

static uint8_t check(const struct frame *frame)
{
    uint16_t length = frame->opcode == SDX_COMMAND ? SDX_COMMAND_BYTES : SDX_TRANSFER_BYTES;
    uint32_t blocks;

    if (frame->length != length || (buffer[0] & 0x40) || (buffer[5] & 0x0F) > SDX_R7)
        return SDX_BAD_REQUEST;
    if (buffer[5] >> SDX_BUS_SHIFT != SDX_BUS_SPI)
        return SDX_UNSUPPORTED;
    if (frame->opcode == SDX_COMMAND)
        return SDX_OK;
    blocks = get32(buffer + 12);
    if (get16(buffer + 10) == 0 || get16(buffer + 10) > MAX_BLOCK || blocks == 0)
        return SDX_BAD_REQUEST;
    return blocks > 1 && !(buffer[6] & SDX_OPEN_ENDED) && frame->opcode == SDX_WRITE ? SDX_BAD_REQUEST : SDX_OK;
}

static struct outcome run(const struct frame *frame, const struct request *request)
{
    spi_bytes = spi_waited = 0;
    if (frame->opcode == SDX_COMMAND)
        return run_command(request);
    return frame->opcode == SDX_READ ? run_read(request) : run_write(request);
}

static void keep(const struct outcome *outcome)
{
    uint8_t result[SDX_RESULT_BYTES] = {outcome->response.r1};

    copy_bytes(result + 1, outcome->response.extra, sizeof outcome->response.extra);
    result[5] = outcome->detail;
    result[6] = outcome->flags;
    result[7] = outcome->response.before;
    put32(result + 8, outcome->blocks);
    put32(result + 12, spi_bytes);
    put32(result + 16, spi_waited);
    request_ended(outcome->status, result, sizeof result);
}

/* All of them have been sent, or none follows behind a pause. */
static void skip_parts(uint32_t parts, uint16_t block)
{
    while (parts-- > 0) {
        uint8_t head;

        if (!host_begin(&head, host_silence()))
            return;
        host_skip(PART_BYTES((uint32_t)block) - 1);
    }
}

void request_skip_parts(const struct frame *frame)
{
    uint16_t block = get16(buffer + 10);

    if (frame->opcode == SDX_WRITE && frame->length == SDX_TRANSFER_BYTES && block <= MAX_BLOCK)
        skip_parts(get32(buffer + 12), block);
}

static void answer(void) { sdx_reply(sdx_last.sequence, sdx_last.status, sdx_last.payload, sdx_last.length); }

static void refuse(const struct frame *frame, uint8_t status)
{
    struct outcome outcome = {.status = status, .response = {.r1 = SDX_NO_R1}, .flags = SDX_CARD_KNOWN};

    spi_bytes = spi_waited = 0;
    keep(&outcome);
    answer();
    request_skip_parts(frame);
}

bool request_transfer(const struct frame *frame)
{
    uint8_t status = check(frame);
    struct request request;
    struct outcome outcome;

    if (status != SDX_OK) {
        refuse(frame, status);
        return true;
    }
    decode(frame, &request);
    outcome = run(frame, &request);
    keep(&outcome);
    /* The host asks again; then it gets this as the answer. */
    if (outcome.damaged)
        return false;
    answer();
    if (frame->opcode == SDX_WRITE)
        skip_parts(outcome.parts_left, request.block);
    return true;
}

void request_stats(const struct frame *frame)
{
    const uint32_t values[] = {
        hal_ms(), stats.frames, stats.damaged, stats.repeated, stats.from_host, stats.to_host,
        stats.spi, stats.polling, stats.blocks_read, stats.blocks_written, hal_lost(),
    };
    uint8_t reply[SDX_STATS_BYTES];

    for (uint8_t at = 0; at < SDX_STATS_BYTES / 4; at++)
        put32(reply + 4 * at, values[at]);
    sdx_reply(frame->sequence, frame->length == 0 ? SDX_OK : SDX_BAD_REQUEST, reply, SDX_STATS_BYTES);
}
