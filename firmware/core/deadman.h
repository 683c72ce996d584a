/* The record that is written when the host falls silent: the PanicPort's list of steps, with its data, in this device's memory. */
#ifndef MMCPSTORE_DEADMAN_H
#define MMCPSTORE_DEADMAN_H

/* Fires if it is armed and the heartbeat is overdue. */
void deadman_poll(void);

/* A new host: the one that armed it has gone without disarming it, so it fires now. */
void deadman_host_changed(void);

#endif
