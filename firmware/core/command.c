#include "transfer.h"

#include "protocol.h"

struct outcome run_command(const struct request *request)
{
    struct outcome outcome = {.status = SDX_OK, .flags = SDX_CARD_KNOWN};

    outcome.response = card_command(&request->command);
    if (outcome.response.r1 == SDX_NO_R1) {
        outcome.status = SDX_NO_RESPONSE;
        outcome.flags = 0;
    } else if (request->command.kind == SDX_R1B && !(outcome.response.r1 & R1_ERRORS)) {
        enum waited waited = spi_ready(&request->deadline, true);

        if (waited != WAIT_DONE) {
            outcome.status = waited == WAIT_LATE ? SDX_BUSY : SDX_ABORTED;
            outcome.flags = 0;
        }
    }
    if (outcome.flags == 0)
        card_doing = DOING_UNKNOWN;
    else if (request->command.index == CMD_GO_IDLE)
        card_doing = DOING_NOTHING;
    spi_deselect();
    return outcome;
}
