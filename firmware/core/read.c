#include "transfer.h"

#include "buffer.h"
#include "host.h"
#include "protocol.h"
#include "stats.h"

#define ERROR_TOKEN_MASK 0xE0
/* CMD12's R1 may say that the card was read up to its end, or that no transfer was open. */
#define STOP_HARMLESS (R1_ERASE_RESET | R1_ADDRESS_ERROR | R1_PARAMETER_ERROR)
/* Looking for the host, and at the clock, costs more than a byte. */
#define POLLS_A_LOOK 16

/* Some cards put one 00 before the FFs of CSD and CID (Linux mmc_spi.c), so 00 is no token. */
static uint8_t await_token(const struct timer *deadline, bool stoppable, uint8_t *detail)
{
    for (;;) {
        for (uint8_t poll = 0; poll < POLLS_A_LOOK; poll++) {
            uint8_t byte = spi_poll();

            if (byte == 0xFF || byte == 0x00)
                continue;
            *detail = byte;
            if (byte == TOKEN_SINGLE)
                return SDX_OK;
            return byte & ERROR_TOKEN_MASK ? SDX_GARBAGE : SDX_ERROR_TOKEN;
        }
        if (timer_over(deadline))
            return SDX_NO_TOKEN;
        if (stoppable && hal_host_waiting())
            return SDX_ABORTED;
    }
}

uint8_t take_block(uint16_t block, const struct timer *deadline, bool stoppable, uint8_t *detail)
{
    uint8_t status = await_token(deadline, stoppable, detail);

    if (status == SDX_OK)
        spi_exchange(NULL, buffer + SDX_DATA_HEAD_BYTES, (size_t)block + SDX_CRC_BYTES);
    return status;
}

/* As the card gave it: its CRC16 is for the host to check. */
static bool pass_on(uint8_t number, uint16_t block)
{
    buffer[0] = SDX_DATA;
    buffer[1] = number;
    return host_put(buffer, PART_BYTES((size_t)block));
}

static uint8_t stream(const struct request *request, struct outcome *outcome)
{
    for (uint32_t done = 0; done < request->blocks; done++) {
        struct timer token = timer_in(request->token_ms);
        uint32_t left = timer_left(&request->deadline);
        uint8_t status;

        if (left < token.ms)
            token.ms = left;
        status = take_block(request->block, &token, true, &outcome->detail);
        if (status != SDX_OK)
            return status;
        if (!pass_on((uint8_t)done, request->block) || hal_host_waiting())
            return SDX_ABORTED;
        outcome->blocks = done + 1;
        stats.blocks_read++;
    }
    return SDX_OK;
}

/* All blocks have come; they are good whatever CMD12 says. */
static void end(const struct request *request, struct outcome *outcome)
{
    uint8_t r1;

    outcome->flags = SDX_CARD_KNOWN;
    card_doing = DOING_NOTHING;
    if (!(request->flags & SDX_OPEN_ENDED))
        return;
    if (card_stop(&request->deadline, &r1) && r1 != SDX_NO_R1 && !(r1 & ~STOP_HARMLESS))
        return;
    outcome->flags = settle_read(true, &request->deadline);
}

struct outcome run_read(const struct request *request)
{
    struct outcome outcome = {.status = SDX_OK};

    outcome.response = card_command(&request->command);
    if (outcome.response.r1 == SDX_NO_R1)
        outcome.status = SDX_NO_RESPONSE;
    else if (outcome.response.r1 & R1_REFUSED)
        outcome.status = SDX_REFUSED;
    else
        outcome.status = stream(request, &outcome);
    if (outcome.status == SDX_OK)
        end(request, &outcome);
    else
        outcome.flags = settle_read(request->flags & SDX_OPEN_ENDED, &request->deadline);
    spi_deselect();
    return outcome;
}
