#include "plan.h"

#include "buffer.h"
#include "bytes.h"
#include "crc.h"
#include "hal.h"
#include "identify.h"
#include "protocol.h"
#include "recovery.h"

#define PLAN_CID 0
#define PLAN_FLAGS 16
#define PLAN_WRITES 17
#define PLAN_COMPARES 18
#define PLAN_MARK_LBA 20
#define PLAN_MARK 24
#define PLAN_HZ 28
#define ENTRY_STEP 0
#define ENTRY_BLOCKS 2
#define ENTRY_LBA 4
#define ENTRY_DATA 8

/* Nothing protects a response, so a card that seems to refuse may not have: each thing is done at most so often. */
#define TRIES 2

struct shot {
    const struct plan *plan;
    const uint8_t *head;
    struct timer deadline;
    struct fired fired;
};

static const uint8_t *entry_at(const uint8_t *head, uint8_t index)
{
    return head + SDX_PLAN_HEAD_BYTES + (size_t)index * SDX_PLAN_ENTRY_BYTES;
}

static bool fits(const struct plan *plan, uint32_t offset, uint32_t bytes)
{
    return offset <= plan->length && bytes <= plan->length - offset;
}

bool plan_is_sound(const struct plan *plan)
{
    const uint8_t *head;
    uint32_t mark;

    if (!fits(plan, plan->offset, SDX_PLAN_HEAD_BYTES))
        return false;
    head = plan->store + plan->offset;
    if (!fits(plan, plan->offset, SDX_PLAN_HEAD_BYTES + (uint32_t)(head[PLAN_WRITES] + head[PLAN_COMPARES]) * SDX_PLAN_ENTRY_BYTES))
        return false;
    mark = get32(head + PLAN_MARK);
    if (mark != SDX_PLAN_NO_MARK && !fits(plan, mark, MAX_BLOCK))
        return false;
    for (uint16_t at = 0; at < head[PLAN_WRITES] + head[PLAN_COMPARES]; at++) {
        const uint8_t *entry = entry_at(head, (uint8_t)at);

        if (!fits(plan, get32(entry + ENTRY_DATA), (uint32_t)get16(entry + ENTRY_BLOCKS) * MAX_BLOCK))
            return false;
    }
    return head[PLAN_WRITES] > 0 && head[PLAN_WRITES] + head[PLAN_COMPARES] <= UINT8_MAX && get32(head + PLAN_HZ) > 0;
}

static uint32_t address(const struct shot *shot, uint32_t lba)
{
    return shot->head[PLAN_FLAGS] & SDX_PLAN_BYTE_ADDRESSES ? lba * MAX_BLOCK : lba;
}

/* A block read, and equal to `expected`; `came` says if one was read at all. */
static bool block_is(struct shot *shot, uint32_t lba, const uint8_t *expected, bool *came)
{
    const uint8_t *got = buffer + SDX_DATA_HEAD_BYTES;
    struct command read = {.index = CMD_READ_SINGLE, .kind = SDX_R1, .argument = address(shot, lba)};
    uint8_t detail;

    *came = card_command(&read).r1 == 0 && take_block(MAX_BLOCK, &shot->deadline, false, &detail) == SDX_OK;
    if (!*came)
        (void)settle_read(false, &shot->deadline);
    spi_deselect();
    *came = *came && crc16(0, got, MAX_BLOCK) == get_crc16(got + MAX_BLOCK);
    for (uint16_t at = 0; *came && at < MAX_BLOCK; at++) {
        if (got[at] != expected[at])
            return false;
    }
    return *came;
}

static bool block_is_again(struct shot *shot, uint32_t lba, const uint8_t *expected, bool *came)
{
    for (uint8_t tries = 0; tries < TRIES; tries++) {
        if (block_is(shot, lba, expected, came))
            return true;
    }
    return false;
}

/* Accepted, its busy over, and its status clean; else what went wrong. */
static uint8_t write_once(struct shot *shot, uint32_t lba, const uint8_t *data)
{
    struct command write = {.index = CMD_WRITE_SINGLE, .kind = SDX_R1, .argument = address(shot, lba)};
    uint8_t *to = buffer + SDX_DATA_HEAD_BYTES, detail, told[2], status = SDX_REFUSED, r1 = card_command(&write).r1;

    if (r1 == 0) {
        copy_bytes(to, data, MAX_BLOCK);
        put_crc16(to + MAX_BLOCK, crc16(0, to, MAX_BLOCK));
        status = give_block(MAX_BLOCK, TOKEN_SINGLE, &shot->deadline, &detail);
    }
    if (settle_write(false, &shot->deadline, told) == 0 && status == SDX_OK)
        status = told[0] == SDX_NO_R1 ? SDX_NO_RESPONSE : SDX_WRITE_REJECTED;
    spi_deselect();
    if (r1 == SDX_NO_R1)
        return SDX_NO_RESPONSE;
    return status == SDX_OK && told[0] == 0 && told[1] == 0 ? SDX_OK : status == SDX_OK ? SDX_WRITE_REJECTED : status;
}

static uint8_t outcome_of(const struct shot *shot, uint8_t status)
{
    if (status == SDX_OK)
        return SDX_OUTCOME_NONE;
    if (status == SDX_BUSY)
        return SDX_OUTCOME_CARD_BUSY;
    if (timer_over(&shot->deadline))
        return SDX_OUTCOME_DEADLINE;
    return status == SDX_NO_RESPONSE ? SDX_OUTCOME_CARD_GONE : SDX_OUTCOME_WRITE_FAILED;
}

static uint8_t write_block(struct shot *shot, uint32_t lba, const uint8_t *data)
{
    uint8_t status = SDX_OK;

    for (uint8_t tries = 0; tries < TRIES && !timer_over(&shot->deadline); tries++) {
        status = write_once(shot, lba, data);
        if (status == SDX_OK || status == SDX_BUSY)
            return outcome_of(shot, status);
    }
    return timer_over(&shot->deadline) ? SDX_OUTCOME_DEADLINE : outcome_of(shot, status);
}

static uint8_t write_all(struct shot *shot)
{
    for (uint8_t at = 0; at < shot->head[PLAN_WRITES]; at++) {
        const uint8_t *entry = entry_at(shot->head, at);
        const uint8_t *data = shot->plan->store + get32(entry + ENTRY_DATA);

        for (uint16_t block = 0; block < get16(entry + ENTRY_BLOCKS); block++, data += MAX_BLOCK) {
            uint8_t outcome = write_block(shot, get32(entry + ENTRY_LBA) + block, data);

            if (outcome != SDX_OUTCOME_NONE)
                return outcome;
        }
        shot->fired.writes++;
        shot->fired.steps = (uint8_t)(entry[ENTRY_STEP] + 1);
    }
    return SDX_OUTCOME_NONE;
}

static uint8_t compare_all(struct shot *shot)
{
    for (uint8_t at = 0; at < shot->head[PLAN_COMPARES]; at++) {
        const uint8_t *entry = entry_at(shot->head, (uint8_t)(shot->head[PLAN_WRITES] + at));
        const uint8_t *data = shot->plan->store + get32(entry + ENTRY_DATA);

        for (uint16_t block = 0; block < get16(entry + ENTRY_BLOCKS); block++, data += MAX_BLOCK) {
            bool came;

            if (timer_over(&shot->deadline) || !block_is_again(shot, get32(entry + ENTRY_LBA) + block, data, &came))
                return SDX_OUTCOME_COMMITTED_UNVERIFIED;
        }
    }
    return SDX_OUTCOME_COMMITTED;
}

/* From anywhere to a card in transfer state. */
static uint8_t take_back(struct shot *shot)
{
    uint8_t flags = shot->head[PLAN_FLAGS];
    struct recovery recovery = {.flags = flags & SDX_PLAN_CRC_ON ? SDX_CRC_PROVED : 0, .deadline = shot->deadline};

    hal_pins(true);
    (void)hal_frequency(get32(shot->head + PLAN_HZ));
    recover(&recovery);
    if (recovery.outcome == SDX_STAYS_BUSY)
        return SDX_OUTCOME_CARD_BUSY;
    if (recovery.outcome != SDX_READY && !identify(flags, &shot->deadline)) {
        if (timer_over(&shot->deadline))
            return SDX_OUTCOME_DEADLINE;
        return recovery.outcome == SDX_SILENT ? SDX_OUTCOME_CARD_GONE : SDX_OUTCOME_NEEDS_POWER_CYCLE;
    }
    (void)hal_frequency(get32(shot->head + PLAN_HZ));
    return SDX_OUTCOME_NONE;
}

/* The very card that it was armed with, with the sector that it had then. */
static uint8_t check_card(struct shot *shot)
{
    uint32_t mark = get32(shot->head + PLAN_MARK);
    bool came = true;

    if (!is_card(shot->head + PLAN_CID, &shot->deadline) && !is_card(shot->head + PLAN_CID, &shot->deadline))
        return SDX_OUTCOME_WRONG_CARD;
    if (mark == SDX_PLAN_NO_MARK || block_is_again(shot, get32(shot->head + PLAN_MARK_LBA), shot->plan->store + mark, &came))
        return SDX_OUTCOME_NONE;
    return came ? SDX_OUTCOME_WRONG_CARD : SDX_OUTCOME_CARD_GONE;
}

struct fired plan_fire(const struct plan *plan, uint32_t deadline_ms)
{
    typedef uint8_t (*part)(struct shot * shot);
    static const part PARTS[] = {take_back, check_card, write_all, compare_all};
    struct shot shot = {.plan = plan, .head = plan->store + plan->offset, .deadline = timer_in(deadline_ms)};

    for (uint8_t at = 0; at < sizeof PARTS / sizeof PARTS[0] && shot.fired.outcome == SDX_OUTCOME_NONE; at++)
        shot.fired.outcome = PARTS[at](&shot);
    spi_deselect();
    shot.fired.ms = timer_spent(&shot.deadline);
    return shot.fired;
}
