/* SSI0, chip select and the light: PA2 SCK, PA4 MISO, PA5 MOSI, PD0 CS of the card, PA3 CS of the display, PF0 light. */
#include "hal.h"
#include "lm3s6965.h"
#include "target.h"

#define SCK (1u << 2)
#define DISPLAY_CS (1u << 3)
#define MISO (1u << 4)
#define MOSI (1u << 5)
#define UART_PINS 3u
#define CARD_CS (1u << 0)
#define LED (1u << 0)
#define MAX_DIVIDER 256
#define MAX_PRESCALER 254

void link_init(void);

/* Crystal 8 MHz, PLL 200 MHz, by 4 (5.2.4). */
static void clock_init(void)
{
    uint32_t rcc = (SYSCTL_RCC | RCC_BYPASS) & ~RCC_USE_DIVIDER;
    uint32_t patience = 100000;

    SYSCTL_RCC = rcc;
    rcc &= ~(RCC_MAIN_OSCILLATOR_OFF | RCC_SOURCE_MASK | RCC_CRYSTAL_MASK | RCC_PLL_OFF | RCC_DIVIDER_MASK);
    rcc |= RCC_CRYSTAL_8MHZ | RCC_DIVIDER_BY_4 | RCC_USE_DIVIDER;
    SYSCTL_RCC = rcc;
    while (!(SYSCTL_RIS & RIS_PLL_LOCKED) && patience-- > 0)
        ;
    SYSCTL_RCC = rcc & ~RCC_BYPASS;
}

void hal_init(void)
{
    clock_init();
    SYSCTL_RCGC1 |= RCGC1_UART0 | RCGC1_SSI0;
    SYSCTL_RCGC2 |= RCGC2_GPIOA | RCGC2_GPIOD | RCGC2_GPIOF;
    /* The clocks of peripherals take a few cycles to come (5.2.6). */
    (void)SYSCTL_RCGC2;
    (void)SYSCTL_RCGC2;
    (void)SYSCTL_RCGC2;
    GPIO_DATA(GPIO_A, DISPLAY_CS) = DISPLAY_CS;
    GPIO_DIR(GPIO_A) |= DISPLAY_CS;
    GPIO_AFSEL(GPIO_A) |= UART_PINS;
    GPIO_PUR(GPIO_A) |= MISO;
    GPIO_DEN(GPIO_A) |= UART_PINS | DISPLAY_CS | MISO;
    GPIO_PUR(GPIO_D) |= CARD_CS;
    GPIO_DEN(GPIO_D) |= CARD_CS;
    GPIO_DIR(GPIO_F) |= LED;
    GPIO_DEN(GPIO_F) |= LED;
    hal_led(false);
    hal_cs(false);
    hal_pins(true);
    link_init();
}

/* The divider is even, times 1 to 256: the fastest that is not faster. */
uint32_t hal_frequency(uint32_t hz)
{
    uint32_t wanted = hz < TARGET_MIN_HZ ? TARGET_MIN_HZ : hz > TARGET_MAX_HZ ? TARGET_MAX_HZ : hz;
    uint32_t total = (CLOCK_HZ + wanted - 1) / wanted, prescaler = 2, divider;

    while ((total + prescaler - 1) / prescaler > MAX_DIVIDER && prescaler < MAX_PRESCALER)
        prescaler += 2;
    divider = (total + prescaler - 1) / prescaler;
    SSI_CR1 = 0;
    SSI_CR0 = SSI_CR0_8_BITS | (divider - 1) << SSI_CR0_RATE_SHIFT;
    SSI_CPSR = prescaler;
    SSI_CR1 = SSI_CR1_ENABLE;
    return CLOCK_HZ / (prescaler * divider);
}

/* As many bytes on their way as the FIFO of what comes back holds. */
void hal_spi(const uint8_t *out, uint8_t *in, size_t length)
{
    size_t sent = 0, got = 0;

    while (got < length) {
        while (sent < length && sent - got < SSI_FIFO) {
            SSI_DR = out == NULL ? 0xFF : out[sent];
            sent++;
        }
        while (got < sent && SSI_SR & SSI_SR_RECEIVED) {
            uint8_t byte = (uint8_t)SSI_DR;

            if (in != NULL)
                in[got] = byte;
            got++;
        }
    }
}

void hal_cs(bool low)
{
    while (SSI_SR & SSI_SR_BUSY)
        ;
    GPIO_DATA(GPIO_D, CARD_CS) = low ? 0 : CARD_CS;
}

void hal_pins(bool driven)
{
    uint32_t spi = SCK | MISO | MOSI;

    if (driven) {
        GPIO_AFSEL(GPIO_A) |= spi;
        GPIO_DEN(GPIO_A) |= spi;
        GPIO_DIR(GPIO_D) |= CARD_CS;
    } else {
        GPIO_AFSEL(GPIO_A) &= ~(SCK | MOSI);
        GPIO_DEN(GPIO_A) &= ~(SCK | MOSI);
        GPIO_DIR(GPIO_D) &= ~CARD_CS;
    }
}

/* The board has no switch. */
bool hal_power(bool on)
{
    (void)on;
    return false;
}

void hal_led(bool on) { GPIO_DATA(GPIO_F, LED) = on ? LED : 0; }
