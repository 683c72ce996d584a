/* What a target's main calls: hal_init(); core_init(); for (;;) core_poll(); */
#ifndef MMCPSTORE_CORE_H
#define MMCPSTORE_CORE_H

void core_init(void);

/* One round: waits a few ms at most for a byte, and does what it asks for; looks after the dead-man record. */
void core_poll(void);

#endif
