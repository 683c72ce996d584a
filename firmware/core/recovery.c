#include "recovery.h"

#include "bytes.h"
#include "card.h"
#include "hal.h"

/* Rest of a frame 5, NCR 16, token 1, block 514, data response 4, slack. */
#define DRAIN 544
/* A receiver out of step takes a stop token and FFs for a command, and answers it. */
#define ANSWER 16
#define PROBE_TRIES 4
#define FRAME 7
/* The line counts as quiet after as many FF as the slowest response may take. */
#define QUIET 8
/* So many bytes that are neither 00 nor FF are no edge of busy: the card is sending. */
#define STREAM 16
/* A card has 100 ms for the first byte of a block (SD Physical Layer 4.6.2.1): looked for so often. */
#define ACCESS_LOOKS 5
#define ACCESS_LOOK_MS 21
#define LOOK 16
#define POISON_BLOCK 512
#define POISON_PART 64
/* R2 of a locked card: it is in transfer state too. */
#define R2_LOCKED 0x01
#define POLLS_A_LOOK 32

struct run {
    struct recovery *asked;
    bool streaming;
    bool low; /* busy when it was last seen */
    bool stopped;
    bool late;
};

/* A phase says what ends the recovery, or SDX_NOT_RECOVERED: go on. */
typedef uint8_t (*phase)(struct run *run);

static void step(struct run *run, uint8_t name)
{
    struct recovery *asked = run->asked;

    if (asked->step_count > 0 && asked->steps[asked->step_count - 1] == name)
        return;
    if (asked->step_count < SDX_MAX_STEPS)
        asked->steps[asked->step_count++] = name;
}

static void look_up(struct run *run)
{
    run->late = timer_over(&run->asked->deadline);
    run->stopped = run->asked->stoppable && hal_host_waiting();
}

static bool must_end(const struct run *run) { return run->late || run->stopped; }

/* CS low, which it was when the old user was interrupted: whatever frame or block was open fills up. */
static uint8_t drain(struct run *run)
{
    step(run, SDX_STEP_DRAIN);
    hal_cs(true);
    spi_idle(DRAIN);
    return SDX_NOT_RECOVERED;
}

/* Until nothing comes any more, or until it is clear that the card is streaming. */
static uint8_t settle(struct run *run)
{
    uint8_t ones = 0, mixed = 0;

    step(run, SDX_STEP_BUSY);
    for (uint8_t polls = 1;; polls++) {
        uint8_t byte = spi_byte();

        run->low = byte == 0;
        spi_waited += run->low;
        ones = byte == 0xFF ? (uint8_t)(ones + 1) : 0;
        mixed = (uint8_t)(mixed + (byte != 0xFF && byte != 0));
        run->streaming = mixed >= STREAM;
        if (run->streaming || ones >= QUIET)
            return SDX_NOT_RECOVERED;
        if (polls % POLLS_A_LOOK == 0)
            look_up(run);
        if (must_end(run))
            return SDX_STAYS_BUSY;
    }
}

static bool may_be_reading(const struct run *run)
{
    uint8_t flags = run->asked->flags;

    if (flags & SDX_HOST_KNOWS)
        return (flags & SDX_MAY_BE_READING) != 0;
    return (flags & SDX_MAY_BE_READING) || card_doing == DOING_READ || card_doing == DOING_UNKNOWN;
}

static bool silent_for(uint32_t ms)
{
    uint8_t look[LOOK];
    bool silent = true;

    hal_sleep(ms);
    spi_exchange(NULL, look, LOOK);
    spi_waited += LOOK;
    for (uint8_t at = 0; at < LOOK; at++)
        silent = silent && look[at] == 0xFF;
    return silent;
}

/* A read whose block has not begun: it would come in the middle of what follows. */
static uint8_t wait_for_access(struct run *run)
{
    if (!may_be_reading(run) || run->streaming)
        return SDX_NOT_RECOVERED;
    step(run, SDX_STEP_ACCESS);
    for (uint8_t at = 0; at < ACCESS_LOOKS; at++) {
        look_up(run);
        if (must_end(run))
            return SDX_SILENT;
        if (silent_for(ACCESS_LOOK_MS))
            continue;
        (void)drain(run);
        return settle(run);
    }
    return SDX_NOT_RECOVERED;
}

/* Ends CMD18, and CMD25 as SD Physical Layer 7.3.3.1 wants it; if it went into a block, that is filled up. */
static uint8_t stop_transmission(struct run *run)
{
    uint8_t frame[FRAME];

    step(run, SDX_STEP_CMD12);
    card_frame(frame, CMD_STOP_TRANSMISSION, 0);
    spi_exchange(frame, NULL, FRAME);
    spi_idle(1 + ANSWER + DRAIN);
    return SDX_NOT_RECOVERED;
}

/* A second CMD12, if noise ate the first. */
static uint8_t stop_if_streaming(struct run *run)
{
    if (!run->streaming)
        return SDX_NOT_RECOVERED;
    (void)stop_transmission(run);
    return settle(run);
}

/* Ends CMD25 on a card that takes no command there. */
static uint8_t stop_token(struct run *run)
{
    static const uint8_t STOP[] = {0xFF, TOKEN_STOP, 0xFF};

    step(run, SDX_STEP_STOP_TOKEN);
    spi_exchange(STOP, NULL, sizeof STOP);
    spi_idle(ANSWER);
    return SDX_NOT_RECOVERED;
}

/* A block of FF with 00 00 where its CRC16 would be 7F A1: a card that checks answers 0B and writes nothing. */
static uint8_t poison(struct run *run)
{
    static const uint8_t START[] = {0xFF, TOKEN_SINGLE}, WRONG[] = {0, 0};

    step(run, SDX_STEP_POISON);
    hal_cs(true);
    spi_exchange(START, NULL, sizeof START);
    spi_idle(POISON_BLOCK);
    spi_exchange(WRONG, NULL, sizeof WRONG);
    spi_idle(ANSWER);
    return SDX_NOT_RECOVERED;
}

/* CMD13 between two FF: a line stuck at 0 or a card still busy must not pass for an answer. */
static bool read_status(struct run *run)
{
    uint8_t frame[FRAME], before, after;
    struct response response;

    step(run, SDX_STEP_PROBE);
    hal_cs(false);
    spi_idle(2);
    hal_cs(true);
    before = spi_byte();
    card_frame(frame, CMD_SEND_STATUS, 0);
    spi_exchange(frame, NULL, FRAME);
    response = card_response(SDX_R2, 0);
    after = spi_byte();
    if (response.r1 == SDX_NO_R1 || before != 0xFF || after != 0xFF)
        return false;
    run->asked->status[0] = response.r1;
    run->asked->status[1] = response.extra[0];
    return true;
}

/* The first status after trouble shows the old trouble, so a later one counts. */
static uint8_t probe_status(struct run *run)
{
    const uint8_t *status = run->asked->status;

    (void)read_status(run);
    for (uint8_t tries = 1; tries < PROBE_TRIES; tries++) {
        if (!read_status(run))
            continue;
        if (status[0] == 0 && (status[1] & ~R2_LOCKED) == 0)
            return SDX_READY;
        if (status[0] & R1_IDLE)
            return SDX_REINITIALISE;
        if (status[0] & R1_ILLEGAL) {
            (void)stop_token(run);
            (void)settle(run);
        }
    }
    return status[0] == SDX_NO_R1 ? SDX_SILENT : SDX_REINITIALISE;
}

static uint8_t in_order(const phase *phases, uint8_t count, struct run *run)
{
    for (uint8_t at = 0; at < count; at++) {
        uint8_t outcome = phases[at](run);

        if (outcome != SDX_NOT_RECOVERED)
            return outcome;
        look_up(run);
        if (must_end(run))
            return run->low ? SDX_STAYS_BUSY : SDX_SILENT;
    }
    return SDX_SILENT;
}

/*
 * CMD12 comes before any CMD13, since a card that has just taken CMD55 would answer that with a block; none of the bytes sent is a token
 * but FD, and nothing has an address. A card that waits for the token of a single block may have no other way out than the poison block,
 * which is sent only where the card was seen to check CRCs.
 */
void recover(struct recovery *recovery)
{
    static const phase ORDER[] = {
        poison, settle, drain, settle, wait_for_access, stop_transmission, settle, stop_if_streaming, stop_token, settle, probe_status,
    };
    enum { COUNT = sizeof ORDER / sizeof ORDER[0], REGULAR = 2, END = 5 };
    struct run run = {.asked = recovery};

    recovery->status[0] = recovery->status[1] = SDX_NO_R1;
    recovery->step_count = 0;
    step(&run, SDX_STEP_BRIDGE);
    recovery->outcome = in_order(ORDER + REGULAR, COUNT - REGULAR, &run);
    if (recovery->outcome == SDX_SILENT && recovery->flags & SDX_CRC_PROVED && !must_end(&run)) {
        recovery->outcome = in_order(ORDER, REGULAR, &run);
        if (!must_end(&run))
            recovery->outcome = in_order(ORDER + END, COUNT - END, &run);
    }
    if (run.stopped)
        recovery->outcome = SDX_NOT_RECOVERED;
    card_doing = recovery->outcome == SDX_READY ? DOING_NOTHING : DOING_UNKNOWN;
    spi_deselect();
}
