#include "core.h"

#include "deadman.h"
#include "hal.h"
#include "host.h"
#include "protocol.h"
#include "sdx.h"
#include "serprog-spi.h"
#include "serprog.h"

/* Between two looks at the dead-man record. */
#define ROUND_MS 5

void core_init(void)
{
    host_set_silence(SERPROG_PATIENCE_MS);
    serprog_spi_reset();
    (void)hal_frequency(SERPROG_START_HZ);
}

void core_poll(void)
{
    uint8_t opcode;

    if (host_begin(&opcode, ROUND_MS)) {
        if (opcode == SDX_INFO)
            sdx_begin_session();
        else if (sdx_in_session())
            sdx_message(opcode);
        else
            serprog_command(opcode);
    }
    deadman_poll();
}
