/* SPDX-License-Identifier: ISC */
/*
 * authd_ticket.h - one-time tickets: who has just logged in
 *
 * A monitor. A ticket is 128 random bits in hex, good once and for 60 s.
 */
#ifndef GUARD_AUTHD_TICKET_H
#define GUARD_AUTHD_TICKET_H

#include <stdint.h>

#include "base/span.h"

void tickets_start(void);
/* Who, from where, and whether as an administrator; or a way to his mailbox at another server, which is no login here. */
struct ticket_of {
	char user[256], service[32], peer[64], local[64];
	bool admin;
	struct ticket_way { bool is, maybe, any_port; char host[256], address[64]; int64_t port, timeout; } way;
};
void ticket_make(const struct ticket_of *, char out[40]);
bool ticket_redeem(struct span ticket, struct ticket_of *);

#endif
