#include "transfer.h"

#include "buffer.h"
#include "bytes.h"
#include "crc.h"
#include "host.h"
#include "protocol.h"
#include "stats.h"

/* Normally the byte behind the CRC16; Linux looks at four. */
#define MAX_RESPONSE_WAIT 8
#define RESPONSE_MASK 0x1F
#define RESPONSE_ACCEPTED 0x05
#define RESPONSE_CRC 0x0B
#define RESPONSE_ERROR 0x0D

static uint8_t data_response(uint8_t *detail)
{
    for (uint8_t wait = 0; wait < MAX_RESPONSE_WAIT; wait++) {
        uint8_t byte = spi_byte();

        *detail = byte;
        if (byte == 0xFF)
            continue;
        switch (byte & RESPONSE_MASK) {
        case RESPONSE_ACCEPTED:
            return SDX_OK;
        case RESPONSE_CRC:
            return SDX_CRC_REJECTED;
        case RESPONSE_ERROR:
            return SDX_WRITE_REJECTED;
        default:
            return SDX_GARBAGE;
        }
    }
    return SDX_GARBAGE;
}

uint8_t give_block(uint16_t block, uint8_t token, const struct timer *deadline, uint8_t *detail)
{
    uint8_t status;

    buffer[0] = 0xFF;
    buffer[1] = token;
    spi_exchange(buffer, NULL, PART_BYTES((size_t)block));
    status = data_response(detail);
    if (status == SDX_OK && spi_ready(deadline, false) != WAIT_DONE)
        return SDX_BUSY;
    return status;
}

/* The next block of the host, whole and right: a card that does not check CRC16 must not get a wrong one either. */
static bool take_part(uint8_t number, uint16_t block)
{
    if (!host_take(buffer, PART_BYTES((size_t)block)) || buffer[0] != SDX_DATA || buffer[1] != number)
        return false;
    return crc16(0, buffer + SDX_DATA_HEAD_BYTES, block) == get_crc16(buffer + SDX_DATA_HEAD_BYTES + block);
}

static bool credit(uint8_t parts)
{
    uint8_t message[SDX_CREDIT_BYTES] = {SDX_CREDIT, parts, (uint8_t)~parts};

    return TARGET_WINDOW == 0 || host_put(message, sizeof message);
}

/* Into the buffer; the host may send the next one while the card has this one. */
static bool fetch(const struct request *request, struct outcome *outcome)
{
    uint8_t number = (uint8_t)(request->blocks - outcome->parts_left);

    if (!take_part(number, request->block)) {
        outcome->damaged = true;
        return false;
    }
    outcome->parts_left--;
    return credit((uint8_t)(number + 1));
}

static uint8_t stream(const struct request *request, struct outcome *outcome)
{
    uint8_t token = request->flags & SDX_OPEN_ENDED ? TOKEN_MULTI_WRITE : TOKEN_SINGLE;

    for (;;) {
        uint8_t status = give_block(request->block, token, &request->deadline, &outcome->detail);

        if (status != SDX_OK)
            return status;
        outcome->blocks++;
        stats.blocks_written++;
        if (outcome->parts_left == 0)
            break;
        if (!fetch(request, outcome))
            return SDX_DATA_LOST;
    }
    if (request->flags & SDX_OPEN_ENDED && !stop_writing(&request->deadline))
        return SDX_BUSY;
    return SDX_OK;
}

static uint8_t begin(const struct request *request, struct outcome *outcome)
{
    outcome->response = card_command(&request->command);
    if (outcome->response.r1 == SDX_NO_R1)
        return SDX_NO_RESPONSE;
    if (outcome->response.r1 & R1_REFUSED)
        return SDX_REFUSED;
    return stream(request, outcome);
}

/* The first block is here before the command goes out: a host that dies before leaves nothing open. */
struct outcome run_write(const struct request *request)
{
    struct outcome outcome = {.status = SDX_DATA_LOST, .flags = SDX_CARD_KNOWN, .parts_left = request->blocks};

    outcome.response.r1 = SDX_NO_R1;
    if (!fetch(request, &outcome))
        return outcome;
    outcome.status = begin(request, &outcome);
    card_doing = DOING_NOTHING;
    if (outcome.status == SDX_DATA_LOST)
        (void)stop_writing(&request->deadline);
    if (outcome.status != SDX_OK)
        outcome.flags = settle_write(request->flags & SDX_OPEN_ENDED, &request->deadline, outcome.response.extra);
    spi_deselect();
    return outcome;
}
