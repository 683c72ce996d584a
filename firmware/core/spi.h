/* Clocks at the card, counted. */
#ifndef MMCPSTORE_SPI_H
#define MMCPSTORE_SPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "timer.h"

/* How a wait ended. */
enum waited { WAIT_DONE, WAIT_LATE, WAIT_STOPPED };

/* Bytes since it was last set to 0: all, and of those while waiting. */
extern uint32_t spi_bytes, spi_waited;

void spi_exchange(const uint8_t *out, uint8_t *in, size_t length);
uint8_t spi_byte(void);
void spi_idle(size_t length);

/* The same bytes, counted as waiting. */
uint8_t spi_poll(void);

/* CS low: the card is selected anew, with a byte for it to look up (QEMU's card swallows the first). */
void spi_select(void);

/* CS high, and 8 clocks, so that the card lets MISO go (SD Physical Layer 7.2.1). */
void spi_deselect(void);

/* Until FF comes twice: the first byte that is not 00 may hold the edge. `stoppable`: by a byte of the host. */
enum waited spi_ready(const struct timer *deadline, bool stoppable);

#endif
