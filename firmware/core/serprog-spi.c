#include "serprog-spi.h"

#include "bytes.h"
#include "hal.h"
#include "host.h"
#include "protocol.h"
#include "serprog.h"
#include "spi.h"
#include "target.h"

#define CHUNK 64

static uint8_t spi_mode, cs_mode;

void serprog_spi_reset(void)
{
    spi_mode = SERPROG_SPI_HALF_DUPLEX;
    cs_mode = SERPROG_CS_AUTO;
    hal_cs(false);
}

void serprog_set_spi_mode(const uint8_t *parameters)
{
    if (parameters[0] > SERPROG_SPI_FULL_DUPLEX) {
        serprog_nak();
        return;
    }
    spi_mode = parameters[0];
    serprog_ack(NULL, 0);
}

void serprog_set_cs_mode(const uint8_t *parameters)
{
    if (parameters[0] > SERPROG_CS_DESELECTED) {
        serprog_nak();
        return;
    }
    cs_mode = parameters[0];
    hal_cs(cs_mode == SERPROG_CS_SELECTED);
    serprog_ack(NULL, 0);
}

/* Bytes that are clocked out as they come, then those that are read. False: the host stopped. */
static bool half_duplex(uint32_t writes, uint32_t reads)
{
    uint8_t bytes[CHUNK];

    while (writes > 0) {
        size_t part = writes < CHUNK ? (size_t)writes : CHUNK;

        if (!host_take(bytes, part))
            return false;
        spi_exchange(bytes, NULL, part);
        writes -= (uint32_t)part;
    }
    (void)host_put_byte(SERPROG_ACK);
    while (reads > 0) {
        size_t part = reads < CHUNK ? (size_t)reads : CHUNK;

        spi_exchange(NULL, bytes, part);
        if (!host_put(bytes, part))
            return true;
        reads -= (uint32_t)part;
    }
    return true;
}

/* As many clocks as the longer of both; FF behind what the host sends. What it wants comes behind the ACK, from the first byte on. */
static bool full_duplex(uint32_t writes, uint32_t reads)
{
    uint8_t bytes[CHUNK];
    bool heard = true;

    (void)host_put_byte(SERPROG_ACK);
    while (writes > 0 || reads > 0) {
        uint32_t longer = writes > reads ? writes : reads;
        size_t part = longer < CHUNK ? (size_t)longer : CHUNK;
        size_t from_host = writes < part ? (size_t)writes : part;
        size_t to_host = reads < part ? (size_t)reads : part;

        fill_bytes(bytes, 0xFF, part);
        heard = heard && host_take(bytes, from_host);
        if (!heard)
            return false;
        spi_exchange(bytes, bytes, part);
        if (!host_put(bytes, to_host))
            return true;
        writes -= (uint32_t)from_host;
        reads -= (uint32_t)to_host;
    }
    return true;
}

/* A length that was never offered is a byte that was lost: what follows is dropped, not clocked. */
void serprog_spi_operation(const uint8_t *parameters)
{
    uint32_t writes = get24(parameters), reads = get24(parameters + 3);
    bool whole;

    if (writes > TARGET_MAX_WRITE || reads > TARGET_MAX_READ) {
        host_drop();
        serprog_nak();
        return;
    }
    hal_cs(cs_mode != SERPROG_CS_DESELECTED);
    whole = spi_mode == SERPROG_SPI_FULL_DUPLEX ? full_duplex(writes, reads) : half_duplex(writes, reads);
    hal_cs(whole && cs_mode == SERPROG_CS_SELECTED);
    if (!whole)
        serprog_nak();
}
