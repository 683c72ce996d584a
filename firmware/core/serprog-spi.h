/* Raw SPI of serprog: O_SPIOP and its modes. */
#ifndef MMCPSTORE_SERPROG_SPI_H
#define MMCPSTORE_SERPROG_SPI_H

#include <stdint.h>

void serprog_set_spi_mode(const uint8_t *parameters);
void serprog_set_cs_mode(const uint8_t *parameters);
void serprog_spi_operation(const uint8_t *parameters);

/* As a programmer begins: half duplex, CS around each operation. */
void serprog_spi_reset(void);

#endif
