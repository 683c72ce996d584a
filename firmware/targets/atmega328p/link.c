/* The host's stream: USART0, its bytes put into a ring as they come; and the clock (ATmega328P data sheet, 16, 20). */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "hal.h"
#include "target.h"

/* One more than it holds. */
#define RING (TARGET_SERIAL_BUFFER + 1)
#define TICK_HZ 1000
#define TICK_PRESCALER 64
/* Double speed: 8 samples a bit. */
#define BAUD_DIVISOR (F_CPU / 8 / AVR_BAUD)
_Static_assert(BAUD_DIVISOR * 8 * AVR_BAUD == F_CPU, "the clock does not make this rate");

void link_init(void);

static volatile uint32_t ms;
static volatile uint16_t lost;
static uint8_t ring[RING];
static volatile uint16_t ring_in, ring_out;

ISR(TIMER0_COMPA_vect) { ms++; }

/* 160 cycles from one byte to the next at 1 Mbaud, and two that the receiver holds. */
ISR(USART_RX_vect)
{
    uint8_t overrun = UCSR0A & (1 << DOR0);
    uint8_t byte = UDR0;
    uint16_t at = ring_in, next = at + 1 == RING ? 0 : (uint16_t)(at + 1);

    if (overrun || next == ring_out) {
        lost++;
        return;
    }
    ring[at] = byte;
    ring_in = next;
}

void link_init(void)
{
    UBRR0 = BAUD_DIVISOR - 1;
    UCSR0A = 1 << U2X0;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXCIE0 | 1 << RXEN0 | 1 << TXEN0;
    TCCR0A = 1 << WGM01;
    OCR0A = F_CPU / TICK_PRESCALER / TICK_HZ - 1;
    TIMSK0 = 1 << OCIE0A;
    TCCR0B = 1 << CS01 | 1 << CS00;
    sei();
}

uint32_t hal_ms(void)
{
    uint32_t now;

    ATOMIC_BLOCK(ATOMIC_FORCEON) { now = ms; }
    return now;
}

uint32_t hal_lost(void)
{
    uint16_t count;

    ATOMIC_BLOCK(ATOMIC_FORCEON) { count = lost; }
    return count;
}

bool hal_host_waiting(void)
{
    bool waiting;

    ATOMIC_BLOCK(ATOMIC_FORCEON) { waiting = ring_in != ring_out; }
    return waiting;
}

static uint8_t next_byte(void)
{
    uint16_t at = ring_out;
    uint8_t byte = ring[at];

    ATOMIC_BLOCK(ATOMIC_FORCEON) { ring_out = at + 1 == RING ? 0 : (uint16_t)(at + 1); }
    return byte;
}

int hal_get(uint32_t timeout_ms)
{
    uint32_t start;

    if (hal_host_waiting())
        return next_byte();
    start = hal_ms();
    while (!hal_host_waiting()) {
        if (hal_ms() - start >= timeout_ms)
            return HAL_NOTHING;
    }
    return next_byte();
}

/* A UART takes whatever it is given: whether anybody listens, it cannot know. */
bool hal_put(const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        while (!(UCSR0A & 1 << UDRE0))
            ;
        UDR0 = bytes[at];
    }
    return true;
}

/* What was given is on its way. */
void hal_flush(void) {}

void hal_sleep(uint32_t wait_ms)
{
    uint32_t start = hal_ms();

    while (hal_ms() - start < wait_ms)
        ;
}

/* The time of the first request, which a person or another machine chooses. */
uint16_t hal_noise(void) { return (uint16_t)(TCNT0 ^ (uint16_t)hal_ms() << 5); }
