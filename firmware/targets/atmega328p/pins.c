/* SPI (data sheet, 19): PB5 SCK (D13), PB4 MISO (D12), PB3 MOSI (D11), PB2 CS (D10). */
#include <avr/io.h>

#include "hal.h"
#include "target.h"

#define CS (1 << PB2)
#define MOSI (1 << PB3)
#define MISO (1 << PB4)
#define SCK (1 << PB5)
#define OUTPUTS (CS | MOSI | SCK)
#define ENABLED (1 << SPE | 1 << MSTR)

void link_init(void);

static uint8_t rate;

void hal_init(void)
{
    PORTB |= CS | MISO;
    hal_pins(true);
    link_init();
}

/* F_CPU by 2, 4, 8 .. 128: SPR1 SPR0 by 4, 16, 64, 128, and SPI2X halves it (table 19-5). */
uint32_t hal_frequency(uint32_t hz)
{
    static const uint8_t RATES[] = {0, 0, 1, 1, 2, 2, 3};
    uint8_t at = 0;
    uint32_t set = TARGET_MAX_HZ;

    while (set > hz && at + 1 < (uint8_t)sizeof RATES) {
        set /= 2;
        at++;
    }
    rate = RATES[at];
    SPSR = at % 2 == 0 && at < 6 ? 1 << SPI2X : 0;
    if (SPCR & 1 << SPE)
        SPCR = ENABLED | rate;
    return set;
}

void hal_spi(const uint8_t *out, uint8_t *in, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        SPDR = out == NULL ? 0xFF : out[at];
        while (!(SPSR & 1 << SPIF))
            ;
        if (in != NULL)
            in[at] = SPDR;
    }
}

void hal_cs(bool low)
{
    if (low)
        PORTB &= (uint8_t)~CS;
    else
        PORTB |= CS;
}

/* CS keeps its pull-up. */
void hal_pins(bool driven)
{
    if (driven) {
        DDRB |= OUTPUTS;
        SPCR = ENABLED | rate;
    } else {
        SPCR = 0;
        PORTB |= CS;
        DDRB &= (uint8_t)~OUTPUTS;
    }
}

/* There is no switch. */
bool hal_power(bool on)
{
    (void)on;
    return false;
}

/* The boards' light is on SCK. */
void hal_led(bool on) { (void)on; }
