#include "identify.h"

#include "buffer.h"
#include "bytes.h"
#include "crc.h"
#include "hal.h"
#include "protocol.h"
#include "serprog.h"

#define START_UP_BYTES 10
#define GO_IDLE_TRIES 10
#define CID_BYTES 16
#define TOKEN_MS 600
/* 2.7 to 3.6 V, and a pattern that has to come back. */
#define IF_COND 0x1AAUL
#define HIGH_CAPACITY 0x40000000UL
/* Time for a card that is still coming up. */
#define PAUSE_MS 1

struct response ask_card(uint8_t index, bool app, uint32_t argument, uint8_t kind)
{
    struct command command = {.index = index, .app = app, .kind = kind, .argument = argument};
    struct response response = card_command(&command);

    spi_deselect();
    return response;
}

static bool go_idle(const struct timer *deadline)
{
    for (uint8_t tries = 0; tries < GO_IDLE_TRIES && !timer_over(deadline); tries++) {
        hal_cs(false);
        spi_idle(START_UP_BYTES);
        if (ask_card(CMD_GO_IDLE, false, 0, SDX_R1).r1 == R1_IDLE)
            return true;
        hal_sleep(PAUSE_MS);
    }
    return false;
}

/* R1 of QEMU's card shows the state before; so it is asked once more than it seems to need. */
static bool leave_idle(uint8_t flags, bool is_version_2, const struct timer *deadline)
{
    bool is_mmc = (flags & SDX_PLAN_MMC) != 0;
    uint32_t argument = is_version_2 ? HIGH_CAPACITY : 0;

    while (!timer_over(deadline)) {
        uint8_t r1 = is_mmc ? ask_card(CMD_SEND_OP_COND, false, 0, SDX_R1).r1
                            : ask_card(ACMD_SEND_OP_COND, true, argument, SDX_R1).r1;

        if (r1 == 0)
            return true;
        if (r1 == SDX_NO_R1 || r1 & R1_ERRORS)
            return false;
        hal_sleep(PAUSE_MS);
    }
    return false;
}

bool identify(uint8_t flags, const struct timer *deadline)
{
    bool is_version_2;

    (void)hal_frequency(SERPROG_START_HZ);
    if (!go_idle(deadline))
        return false;
    is_version_2 = !(ask_card(CMD_SEND_IF_COND, false, IF_COND, SDX_R7).r1 & R1_ILLEGAL);
    if (flags & SDX_PLAN_CRC_ON)
        (void)ask_card(CMD_CRC_ON_OFF, false, 1, SDX_R1);
    if (!leave_idle(flags, is_version_2, deadline))
        return false;
    if (flags & SDX_PLAN_CRC_ON)
        (void)ask_card(CMD_CRC_ON_OFF, false, 1, SDX_R1);
    if (flags & SDX_PLAN_BYTE_ADDRESSES)
        (void)ask_card(CMD_SET_BLOCKLEN, false, MAX_BLOCK, SDX_R1);
    card_doing = DOING_NOTHING;
    return true;
}

bool is_card(const uint8_t *cid, const struct timer *deadline)
{
    static const struct command SEND_CID = {.index = CMD_SEND_CID, .kind = SDX_R1};
    const uint8_t *got = buffer + SDX_DATA_HEAD_BYTES;
    bool came, equal = true;
    uint8_t detail;

    came = card_command(&SEND_CID).r1 == 0 && take_block(CID_BYTES, deadline, false, &detail) == SDX_OK;
    spi_deselect();
    if (!came || crc16(0, got, CID_BYTES) != get_crc16(got + CID_BYTES))
        return false;
    for (uint8_t at = 0; at < CID_BYTES; at++)
        equal = equal && got[at] == cid[at];
    return equal;
}
