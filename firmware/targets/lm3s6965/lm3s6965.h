/* Registers of the LM3S6965 (TI data sheet SPMS108), those that are used. */
#ifndef MMCPSTORE_LM3S6965_H
#define MMCPSTORE_LM3S6965_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* System control. */
#define SYSCTL_RIS REGISTER(0x400FE050)
#define SYSCTL_RCC REGISTER(0x400FE060)
#define SYSCTL_RCGC1 REGISTER(0x400FE104)
#define SYSCTL_RCGC2 REGISTER(0x400FE108)
#define RIS_PLL_LOCKED (1u << 6)
#define RCC_MAIN_OSCILLATOR_OFF (1u << 0)
#define RCC_SOURCE_MASK (3u << 4)
#define RCC_CRYSTAL_MASK (0xFu << 6)
#define RCC_CRYSTAL_8MHZ (0xEu << 6)
#define RCC_BYPASS (1u << 11)
#define RCC_PLL_OFF (1u << 13)
#define RCC_USE_DIVIDER (1u << 22)
#define RCC_DIVIDER_MASK (0xFu << 23)
#define RCC_DIVIDER_BY_4 (3u << 23)
#define RCGC1_UART0 (1u << 0)
#define RCGC1_SSI0 (1u << 4)
#define RCGC2_GPIOA (1u << 0)
#define RCGC2_GPIOD (1u << 3)
#define RCGC2_GPIOF (1u << 5)

/* GPIO ports; the address of data carries a mask of the pins (8.3.1.2). */
#define GPIO_A 0x40004000u
#define GPIO_D 0x40007000u
#define GPIO_F 0x40025000u
#define GPIO_DATA(port, pins) REGISTER((port) + ((pins) << 2))
#define GPIO_DIR(port) REGISTER((port) + 0x400)
#define GPIO_AFSEL(port) REGISTER((port) + 0x420)
#define GPIO_PUR(port) REGISTER((port) + 0x510)
#define GPIO_DEN(port) REGISTER((port) + 0x51C)

/* SSI0, a PL022. */
#define SSI_CR0 REGISTER(0x40008000)
#define SSI_CR1 REGISTER(0x40008004)
#define SSI_DR REGISTER(0x40008008)
#define SSI_SR REGISTER(0x4000800C)
#define SSI_CPSR REGISTER(0x40008010)
#define SSI_CR0_8_BITS 7u
#define SSI_CR0_RATE_SHIFT 8
#define SSI_CR1_ENABLE (1u << 1)
#define SSI_SR_RECEIVED (1u << 2)
#define SSI_SR_BUSY (1u << 4)
#define SSI_FIFO 8

/* UART0, a PL011. */
#define UART_DR REGISTER(0x4000C000)
#define UART_FR REGISTER(0x4000C018)
#define UART_IBRD REGISTER(0x4000C024)
#define UART_FBRD REGISTER(0x4000C028)
#define UART_LCRH REGISTER(0x4000C02C)
#define UART_CTL REGISTER(0x4000C030)
#define UART_IFLS REGISTER(0x4000C034)
#define UART_IM REGISTER(0x4000C038)
#define UART_ICR REGISTER(0x4000C044)
#define UART_DR_OVERRUN (1u << 11)
#define UART_FR_BUSY (1u << 3)
#define UART_FR_RX_EMPTY (1u << 4)
#define UART_FR_TX_FULL (1u << 5)
#define UART_LCRH_FIFO (1u << 4)
#define UART_LCRH_8_BITS (3u << 5)
#define UART_CTL_ENABLE (1u << 0)
#define UART_CTL_TX (1u << 8)
#define UART_CTL_RX (1u << 9)
#define UART_IM_RX (1u << 4)
#define UART_IM_TIMEOUT (1u << 6)
#define UART0_IRQ 5

/* Cortex-M3. */
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)
#define SYST_RUN 7u
#define NVIC_ISER REGISTER(0xE000E100)

#define CLOCK_HZ 50000000u

#endif
