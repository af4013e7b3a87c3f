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
struct ticket_of { char user[256], service[32], peer[64], local[64]; bool admin; };     /* who, from where, and whether as an administrator */
void ticket_make(const struct ticket_of *, char out[40]);
bool ticket_redeem(struct span ticket, struct ticket_of *);

#endif
