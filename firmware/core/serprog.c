#include "serprog.h"

#include "bytes.h"
#include "hal.h"
#include "host.h"
#include "protocol.h"
#include "serprog-spi.h"
#include "target.h"

#define MAX_PARAMETERS 6
#define OPERATION_BUFFER 32
#define MAP_BYTES 32
#define US_A_MS 1000

/* Says ACK, with bytes behind it. */
typedef void (*handler)(const uint8_t *parameters);

struct entry {
    uint8_t opcode;
    uint8_t parameters;
    handler run;
};

static uint32_t delay_us;

void serprog_ack(const uint8_t *bytes, size_t length)
{
    (void)host_put_byte(SERPROG_ACK);
    (void)host_put(bytes, length);
}

void serprog_nak(void) { (void)host_put_byte(SERPROG_NAK); }

static void just_ack(const uint8_t *parameters)
{
    (void)parameters;
    serprog_ack(NULL, 0);
}

static void interface(const uint8_t *parameters)
{
    static const uint8_t VERSION[] = {SERPROG_INTERFACE_VERSION, 0};

    (void)parameters;
    serprog_ack(VERSION, sizeof VERSION);
}

static void name(const uint8_t *parameters)
{
    static const char NAME[SERPROG_NAME_BYTES + 1] = TARGET_NAME;

    (void)parameters;
    serprog_ack((const uint8_t *)NAME, SERPROG_NAME_BYTES);
}

static void serial_buffer(const uint8_t *parameters)
{
    static const uint8_t SIZE[] = {TARGET_SERIAL_BUFFER & 0xFF, TARGET_SERIAL_BUFFER >> 8};

    (void)parameters;
    serprog_ack(SIZE, sizeof SIZE);
}

static void bus_type(const uint8_t *parameters)
{
    static const uint8_t BUS = SERPROG_BUS_SPI;

    (void)parameters;
    serprog_ack(&BUS, 1);
}

static void set_bus_type(const uint8_t *parameters)
{
    if (parameters[0] & SERPROG_BUS_SPI)
        serprog_ack(NULL, 0);
    else
        serprog_nak();
}

static void operation_buffer(const uint8_t *parameters)
{
    static const uint8_t SIZE[] = {OPERATION_BUFFER, 0};

    (void)parameters;
    serprog_ack(SIZE, sizeof SIZE);
}

static void length24(uint32_t length)
{
    uint8_t bytes[] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16)};

    serprog_ack(bytes, sizeof bytes);
}

static void max_write(const uint8_t *parameters)
{
    (void)parameters;
    length24(TARGET_MAX_WRITE);
}

static void max_read(const uint8_t *parameters)
{
    (void)parameters;
    length24(TARGET_MAX_READ);
}

static void init_operations(const uint8_t *parameters)
{
    delay_us = 0;
    just_ack(parameters);
}

static void delay(const uint8_t *parameters)
{
    delay_us += get32(parameters);
    serprog_ack(NULL, 0);
}

static void execute(const uint8_t *parameters)
{
    hal_sleep((delay_us + US_A_MS - 1) / US_A_MS);
    init_operations(parameters);
}

static void synchronise(const uint8_t *parameters)
{
    static const uint8_t ANSWER[] = {SERPROG_NAK, SERPROG_ACK};

    (void)parameters;
    (void)host_put(ANSWER, sizeof ANSWER);
}

static void frequency(const uint8_t *parameters)
{
    uint8_t set[4];
    uint32_t hz = get32(parameters);

    if (hz == 0) {
        serprog_nak();
        return;
    }
    put32(set, hal_frequency(hz));
    serprog_ack(set, sizeof set);
}

static void pins(const uint8_t *parameters)
{
    hal_pins(parameters[0] != 0);
    serprog_ack(NULL, 0);
}

static void chip_select(const uint8_t *parameters)
{
    if (parameters[0] == 0)
        serprog_ack(NULL, 0);
    else
        serprog_nak();
}

static void command_map(const uint8_t *parameters);

static const struct entry COMMANDS[] = {
    {SERPROG_NOP, 0, just_ack},
    {SERPROG_Q_IFACE, 0, interface},
    {SERPROG_Q_CMDMAP, 0, command_map},
    {SERPROG_Q_PGMNAME, 0, name},
    {SERPROG_Q_SERBUF, 0, serial_buffer},
    {SERPROG_Q_BUSTYPE, 0, bus_type},
    {SERPROG_Q_OPBUF, 0, operation_buffer},
    {SERPROG_Q_WRNMAXLEN, 0, max_write},
    {SERPROG_O_INIT, 0, init_operations},
    {SERPROG_O_DELAY, 4, delay},
    {SERPROG_O_EXEC, 0, execute},
    {SERPROG_SYNCNOP, 0, synchronise},
    {SERPROG_Q_RDNMAXLEN, 0, max_read},
    {SERPROG_S_BUSTYPE, 1, set_bus_type},
    {SERPROG_O_SPIOP, 6, serprog_spi_operation},
    {SERPROG_S_SPI_FREQ, 4, frequency},
    {SERPROG_S_PIN_STATE, 1, pins},
    {SERPROG_S_SPI_CS, 1, chip_select},
    {SERPROG_S_SPI_MODE, 1, serprog_set_spi_mode},
    {SERPROG_S_CS_MODE, 1, serprog_set_cs_mode},
};
#define COMMAND_COUNT (sizeof COMMANDS / sizeof COMMANDS[0])

static void set_bit(uint8_t *map, uint8_t opcode)
{
    map[opcode >> 3] = (uint8_t)(map[opcode >> 3] | 1 << (opcode & 7));
}

static void command_map(const uint8_t *parameters)
{
    uint8_t map[MAP_BYTES] = {0};

    (void)parameters;
    for (size_t at = 0; at < COMMAND_COUNT; at++)
        set_bit(map, COMMANDS[at].opcode);
    map[SDX_INFO >> 3] = 0xFF;
    serprog_ack(map, sizeof map);
}

void serprog_command(uint8_t opcode)
{
    uint8_t parameters[MAX_PARAMETERS];

    for (size_t at = 0; at < COMMAND_COUNT; at++) {
        if (COMMANDS[at].opcode != opcode)
            continue;
        if (host_take(parameters, COMMANDS[at].parameters))
            COMMANDS[at].run(parameters);
        else
            serprog_nak();
        return;
    }
    serprog_nak();
}
