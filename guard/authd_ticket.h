/* SPDX-License-Identifier: ISC */
/*
 * authd_ticket.h - one-time tickets: who has just logged in
 *
 * A monitor. A ticket is 128 random bits in hex, good once and for 60 s.
 */
#ifndef GUARD_AUTHD_TICKET_H
#define GUARD_AUTHD_TICKET_H

#include "base/span.h"

void tickets_start(void);
void ticket_make(const char *user, char out[40]);
bool ticket_redeem(struct span ticket, char *user, size_t size);

#endif
