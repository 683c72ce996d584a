#include "sdx.h"

#include "buffer.h"
#include "bytes.h"
#include "crc.h"
#include "deadman.h"
#include "hal.h"
#include "host.h"
#include "protocol.h"
#include "requests.h"
#include "serprog-spi.h"
#include "serprog.h"
#include "stats.h"
#include "target.h"

/* Sessions of one start have different nonces: odd, so that it takes all values. */
#define NONCE_STEP 0x6A09
#define MAX_REPLY SDX_STATS_BYTES

struct last sdx_last;

static bool in_session;
static uint16_t nonce;

bool sdx_in_session(void) { return in_session; }

static void info_payload(uint8_t *info)
{
    fill_bytes(info, 0, SDX_INFO_BYTES);
    put32(info, SDX_MAGIC);
    info[4] = SDX_VERSION;
    info[5] = TARGET_ID;
    put16(info + 6, nonce);
    put16(info + 8, (uint16_t)((TARGET_POWER_SWITCH ? SDX_FLAG_POWER_SWITCH : 0) | (TARGET_DEADMAN_BYTES ? SDX_FLAG_DEADMAN : 0)));
    info[10] = SDX_BUS_BIT_SPI;
    info[11] = (uint8_t)TARGET_WINDOW;
    put16(info + 12, TARGET_MAX_PAYLOAD);
    put16(info + 14, host_silence());
    put32(info + 16, TARGET_DEADMAN_BYTES);
    put32(info + 20, TARGET_MIN_HZ);
    put32(info + 24, TARGET_MAX_HZ);
    put16(info + 28, MAX_BLOCK);
}

void sdx_begin_session(void)
{
    uint8_t reply[1 + SDX_INFO_BYTES + SDX_CRC_BYTES] = {SERPROG_ACK};

    /* Whoever armed it has gone without a word. */
    deadman_host_changed();
    serprog_spi_reset();
    nonce = (uint16_t)((in_session || nonce ? nonce : hal_noise()) + NONCE_STEP);
    in_session = true;
    sdx_last = (struct last){0};
    host_set_silence(TARGET_SILENCE_MS);
    info_payload(reply + 1);
    put_crc16(reply + 1 + SDX_INFO_BYTES, crc16(0, reply + 1, SDX_INFO_BYTES));
    (void)host_put(reply, sizeof reply);
}

void sdx_reply(uint8_t sequence, uint8_t status, const uint8_t *payload, uint16_t length)
{
    uint8_t reply[SDX_REPLY_HEAD_BYTES + MAX_REPLY + SDX_CRC_BYTES] = {SERPROG_ACK, sequence, status};
    uint16_t end = (uint16_t)(SDX_REPLY_HEAD_BYTES + length);

    put16(reply + 3, length);
    copy_bytes(reply + SDX_REPLY_HEAD_BYTES, payload, length);
    put_crc16(reply + end, crc16(nonce, reply, end));
    (void)host_put(reply, (size_t)end + SDX_CRC_BYTES);
}

/* Nobody knows where the next message begins, so the host is asked for silence; then it knows. */
static void damage(void)
{
    stats.damaged++;
    host_drop();
    (void)host_put_byte(SERPROG_NAK);
}

static void leave_session(void)
{
    static const uint8_t ANSWER[] = {SERPROG_NAK, SERPROG_ACK};
    uint8_t next;

    if (host_begin(&next, SDX_LEAVE_MS)) {
        damage();
        return;
    }
    in_session = false;
    host_set_silence(SERPROG_PATIENCE_MS);
    (void)host_put(ANSWER, sizeof ANSWER);
}

/* The payload goes to the buffer. False: damage. */
static bool take_frame(struct frame *frame)
{
    uint8_t head[SDX_REQUEST_HEAD_BYTES] = {frame->opcode};
    uint16_t crc;

    if (!host_take(head + 1, sizeof head - 1))
        return false;
    frame->sequence = head[1];
    frame->length = get16(head + 2);
    if (frame->length > TARGET_MAX_PAYLOAD || !host_take(buffer, (size_t)frame->length + SDX_CRC_BYTES))
        return false;
    crc = crc16(crc16(nonce, head, sizeof head), buffer, frame->length);
    return crc == get_crc16(buffer + frame->length);
}

void request_ended(uint8_t status, const uint8_t *payload, uint8_t length)
{
    sdx_last.status = status;
    sdx_last.length = length;
    copy_bytes(sdx_last.payload, payload, length);
}

static void reply_last(void) { sdx_reply(sdx_last.sequence, sdx_last.status, sdx_last.payload, sdx_last.length); }

/* Carries it out; false: damage in what followed it. */
static bool carry_out(const struct frame *frame)
{
    stats.frames++;
    sdx_last.sequence = frame->sequence;
    sdx_last.opcode = frame->opcode;
    switch (frame->opcode) {
    case SDX_CONTROL:
        request_control(frame);
        break;
    case SDX_DEADMAN:
        request_deadman(frame);
        break;
    default:
        return request_transfer(frame);
    }
    reply_last();
    return true;
}

/* Reading again changes nothing, and its blocks are not kept. */
static bool is_due(const struct frame *frame, bool again)
{
    if (!again)
        return frame->sequence == (uint8_t)(sdx_last.sequence + 1);
    return frame->opcode == SDX_READ && sdx_last.opcode == SDX_READ;
}

static bool counted(const struct frame *frame)
{
    bool again = sdx_last.opcode != 0 && frame->sequence == sdx_last.sequence;

    if (is_due(frame, again))
        return carry_out(frame);
    if (again && frame->opcode == sdx_last.opcode) {
        stats.repeated++;
        reply_last();
    } else {
        sdx_reply(frame->sequence, SDX_BAD_SEQUENCE, NULL, 0);
    }
    request_skip_parts(frame);
    return true;
}

static bool frame_message(uint8_t opcode)
{
    struct frame frame = {.opcode = opcode};

    if (!take_frame(&frame))
        return false;
    if (opcode == SDX_ABORT)
        request_abort(&frame);
    else if (opcode == SDX_STATS)
        request_stats(&frame);
    else
        return counted(&frame);
    return true;
}

void sdx_message(uint8_t opcode)
{
    if (opcode == SERPROG_NOP)
        (void)host_put_byte(SERPROG_ACK);
    else if (opcode == SERPROG_SYNCNOP)
        leave_session();
    else if (opcode < SDX_COMMAND || opcode > SDX_CONTROL || !frame_message(opcode))
        damage();
}
