#include "core.h"
#include "hal.h"

int main(void)
{
    hal_init();
    core_init();
    for (;;)
        core_poll();
}
