/* The host's stream: UART0, its bytes put into a ring as they come; and the clock. */
#include "hal.h"
#include "lm3s6965.h"
#include "target.h"

#ifndef LM3S_BAUD
#define LM3S_BAUD 115200
#endif
#define TICK_HZ 1000
/* One more than it holds. */
#define RING (TARGET_SERIAL_BUFFER + 1)

void link_init(void);
void tick_handler(void);
void uart_handler(void);

static volatile uint32_t ms;
static volatile uint32_t lost;
static uint8_t ring[RING];
static volatile uint32_t ring_in, ring_out;

void tick_handler(void) { ms++; }

static void take(uint32_t data)
{
    uint32_t next = ring_in + 1 == RING ? 0 : ring_in + 1;

    if (data & UART_DR_OVERRUN)
        lost++;
    if (next == ring_out) {
        lost++;
        return;
    }
    ring[ring_in] = (uint8_t)data;
    ring_in = next;
}

void uart_handler(void)
{
    UART_ICR = UART_IM_RX | UART_IM_TIMEOUT;
    while (!(UART_FR & UART_FR_RX_EMPTY))
        take(UART_DR);
}

/* IBRD.FBRD is the clock by 16 times the rate, in 64ths (13.3.2), rounded. */
void link_init(void)
{
    uint32_t divisor = (CLOCK_HZ * 4u + LM3S_BAUD / 2u) / LM3S_BAUD;

    UART_CTL = 0;
    UART_IBRD = divisor >> 6;
    UART_FBRD = divisor & 63u;
    UART_LCRH = UART_LCRH_8_BITS | UART_LCRH_FIFO;
    UART_IFLS = 0;
    UART_IM = UART_IM_RX | UART_IM_TIMEOUT;
    UART_CTL = UART_CTL_ENABLE | UART_CTL_TX | UART_CTL_RX;
    NVIC_ISER = 1u << UART0_IRQ;
    SYST_RVR = CLOCK_HZ / TICK_HZ - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_RUN;
    __asm__ volatile("cpsie i");
}

uint32_t hal_ms(void) { return ms; }

uint32_t hal_lost(void) { return lost; }

bool hal_host_waiting(void) { return ring_in != ring_out; }

/* Sleeps until the next interrupt; one that comes behind the look wakes it too, since it is masked, not gone. */
static void rest(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    if (!hal_host_waiting())
        __asm__ volatile("wfi");
    __asm__ volatile("cpsie i" ::: "memory");
}

int hal_get(uint32_t timeout_ms)
{
    uint32_t start = ms;
    uint8_t byte;

    while (!hal_host_waiting()) {
        if (ms - start >= timeout_ms)
            return HAL_NOTHING;
        rest();
    }
    byte = ring[ring_out];
    ring_out = ring_out + 1 == RING ? 0 : ring_out + 1;
    return byte;
}

/* A UART takes whatever it is given: whether anybody listens, it cannot know. */
bool hal_put(const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        while (UART_FR & UART_FR_TX_FULL)
            ;
        UART_DR = bytes[at];
    }
    return true;
}

void hal_flush(void)
{
    while (UART_FR & UART_FR_BUSY)
        ;
}

void hal_sleep(uint32_t wait_ms)
{
    uint32_t start = ms;

    while (ms - start < wait_ms)
        ;
}

/* The time of the first request, which a person or another machine chooses. */
uint16_t hal_noise(void) { return (uint16_t)(SYST_CVR ^ ms << 5); }
