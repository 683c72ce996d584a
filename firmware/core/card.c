#include "card.h"

#include "bytes.h"
#include "crc.h"
#include "protocol.h"

#define FRAME_BYTES 7
/* NCR is 0 to 8 bytes; Linux waits for 16. */
#define MAX_NCR 16
/* Some cards are busy for a moment behind CMD55. */
#define APP_BUSY_MS 20

static const uint8_t TAIL[] = {[SDX_R1] = 0, [SDX_R1B] = 0, [SDX_R2] = 1, [SDX_R3] = 4, [SDX_R7] = 4};

enum doing card_doing = DOING_UNKNOWN;

void card_frame(uint8_t *into, uint8_t index, uint32_t argument)
{
    into[0] = 0xFF;
    into[1] = 0x40 | index;
    for (uint8_t at = 0; at < 4; at++)
        into[2 + at] = (uint8_t)(argument >> (24 - 8 * at));
    into[6] = (uint8_t)(crc7(into + 1, 5) << 1 | 1);
}

struct response card_response(uint8_t kind, uint8_t skip)
{
    struct response response = {SDX_NO_R1, {0}, 0};

    spi_idle(skip);
    for (uint8_t at = 0; at < MAX_NCR; at++) {
        uint8_t byte = spi_byte();

        if (byte & 0x80)
            continue;
        response.r1 = byte;
        response.before = at;
        if (!(byte & R1_ERRORS))
            spi_exchange(NULL, response.extra, TAIL[kind]);
        break;
    }
    return response;
}

static struct response send(const struct command *command)
{
    static bool lead;
    uint8_t frame[FRAME_BYTES];
    uint8_t from = 0;

    card_frame(frame, command->index, command->argument);
    if (command->wrong_crc)
        frame[6] ^= 0x02;
    hal_cs(true);
    /* Some cards need a byte with CS low before CMD0, some hang on it (SdFat #384): every second one goes without. */
    if (command->index == CMD_GO_IDLE) {
        from = lead ? 1 : 0;
        lead = !lead;
    }
    spi_exchange(frame + from, NULL, FRAME_BYTES - (size_t)from);
    return card_response(command->kind, command->index == CMD_STOP_TRANSMISSION);
}

struct response card_command(const struct command *command)
{
    static const struct command APP = {.index = CMD_APP, .kind = SDX_R1};

    if (command->app) {
        struct response app = send(&APP);
        struct timer deadline = timer_in(APP_BUSY_MS);

        if (app.r1 & R1_ERRORS)
            return app;
        (void)spi_ready(&deadline, false);
        spi_deselect();
    }
    return send(command);
}

bool card_stop(const struct timer *deadline, uint8_t *r1)
{
    uint8_t frame[FRAME_BYTES];

    card_frame(frame, CMD_STOP_TRANSMISSION, 0);
    spi_exchange(frame, NULL, FRAME_BYTES);
    *r1 = card_response(SDX_R1B, 1).r1;
    return spi_ready(deadline, false) == WAIT_DONE;
}

bool card_status(uint8_t status[2])
{
    static const struct command STATUS = {.index = CMD_SEND_STATUS, .kind = SDX_R2};
    struct response response;

    spi_deselect();
    response = card_command(&STATUS);
    status[0] = response.r1;
    status[1] = response.extra[0];
    return response.r1 != SDX_NO_R1;
}
