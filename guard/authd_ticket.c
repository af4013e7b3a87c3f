/* SPDX-License-Identifier: ISC */
/*
 * authd_ticket.c - one-time tickets
 */
#include "authd_ticket.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/strmap.h"
#include "base/task.h"

enum { TICKET_MS = 60000, TICKETS_MAX = 10000, TICKET_BYTES = 16 };

struct ticket {
	struct ticket_of of;
	int64_t          until;
};

static struct {
	struct monitor lock;
	struct strmap *open;
} tickets;

void
tickets_start(void)
{
	monitor_init(&tickets.lock);
	tickets.open = strmap_new();
}

static void
drop_stale(void)
{
	struct span key;
	void       *value;
	size_t      at = 0;

	while (strmap_next(tickets.open, &at, &key, &value)) {
		struct ticket *t = value;

		if (t->until < clock_now())
			free(strmap_remove(tickets.open, key));
	}
}

void
ticket_make(const struct ticket_of *of, char out[40])
{
	autotext struct text hex = {0};
	unsigned char        random[TICKET_BYTES];
	struct ticket       *t = mem_alloc(sizeof *t);

	if (RAND_bytes(random, sizeof random) != 1)
		abort(); /* without randomness nobody may log in */
	hex_encode(span_at(random, sizeof random), &hex);
	snprintf(out, 40, "%s", text_string(&hex));
	t->of = *of;
	t->until = clock_after(TICKET_MS);
	monitor_enter(&tickets.lock);
	if (strmap_count(tickets.open) >= TICKETS_MAX)
		drop_stale();
	free(strmap_put(tickets.open, text_span(&hex), t));
	monitor_leave(&tickets.lock);
}

bool
ticket_redeem(struct span ticket, struct ticket_of *out)
{
	struct ticket *t;
	bool           good;

	monitor_enter(&tickets.lock);
	t = strmap_remove(tickets.open, ticket);
	monitor_leave(&tickets.lock);
	good = t && t->until >= clock_now();
	if (good)
		*out = t->of;
	free(t);
	return good;
}
