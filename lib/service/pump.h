/* SPDX-License-Identifier: ISC */
/*
 * pump.h - passes bytes between a client and its user's process until one ends
 */
#ifndef SERVICE_PUMP_H
#define SERVICE_PUMP_H

#include "net/conn.h"

/* `process` is borrowed. When the process closes, what it said is still
 * delivered; when the client goes, or the whole system stops while both are
 * silent, the process sees an end of file. */
WAITS void pump_run(struct conn *client, int process);

#endif
