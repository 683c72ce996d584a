/* Vectors, and what C expects before main. */
#include <stdint.h>

#include "core.h"
#include "hal.h"
#include "lm3s6965.h"

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

void tick_handler(void);
void uart_handler(void);
_Noreturn void reset_handler(void);

/* Nothing is known any more: better silent than wrong at a card. */
static void fault_handler(void)
{
    for (;;)
        ;
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    vector exceptions[15];
    vector interrupts[UART0_IRQ + 1];
} VECTORS = {
    stack_top,
    {(vector)reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, 0, 0, 0, 0, fault_handler, fault_handler, 0,
     fault_handler, tick_handler},
    {fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, uart_handler},
};

_Noreturn void reset_handler(void)
{
    const uint32_t *from = data_load;

    for (uint32_t *to = data_start; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    hal_init();
    core_init();
    for (;;)
        core_poll();
}

/* The compiler may call these for assignments of structures. */
void *memcpy(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);

void *memcpy(void *to, const void *from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    while (length-- > 0)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int byte, size_t length)
{
    uint8_t *out = to;

    while (length-- > 0)
        *out++ = (uint8_t)byte;
    return to;
}
