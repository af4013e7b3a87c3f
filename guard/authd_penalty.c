/* SPDX-License-Identifier: ISC */
/*
 * authd_penalty.c - who guesses passwords waits longer each time
 */
#include "authd_penalty.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/task.h"
#include "base/text.h"
#include "mail/netaddr.h"

enum { ENTRIES = 8192, SEEN = 4, FORGIVEN_MS = 60000, FIRST_MS = 2000, LAST_MS = 15000 };

struct record {
	uint64_t key;               /* of the address; 0: free */
	int      failures;
	int64_t  last;
	uint64_t seen[SEEN];        /* the last failures */
};

static struct {
	struct monitor lock;
	struct record  record[ENTRIES];
} table = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

static uint64_t
hash(const unsigned char *at, size_t len)
{
	uint64_t h = 1469598103934665603u;    /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * 1099511628211u;
	return h ? h : 1;
}

uint64_t
penalty_what(const char *user, const char *password)
{
	static _Atomic uint64_t key;
	uint64_t                fresh = 0, none = 0;
	autotext struct text    all = {0};
	uint64_t                h;

	if (!key && getentropy(&fresh, sizeof fresh) == 0)
		atomic_compare_exchange_strong(&key, &none, fresh);
	h = key;
	text_add(&all, span_at(&h, sizeof h));
	text_add_string(&all, user);
	text_add_byte(&all, '\0');
	text_add_string(&all, password);
	h = hash((const unsigned char *)all.at, all.len);
	mem_wipe(all.at, all.room);
	return h;
}

/* 0: this machine, or no address. */
static uint64_t
key_of(struct span peer)
{
	struct netaddr a;

	if (!netaddr_parse(peer, &a))
		return 0;
	a = netaddr_unmapped(&a);
	if (netaddr_is_loopback(&a))
		return 0;
	return hash(a.bytes, a.family == 6 ? 6 : 4);
}

static bool
known_failure(struct record *r, uint64_t what)
{
	for (size_t i = 0; i < SEEN; i++)
		if (r->seen[i] == what)
			return true;
	memmove(r->seen + 1, r->seen, (SEEN - 1) * sizeof *r->seen);
	r->seen[0] = what;
	return false;
}

static int64_t
lateness(int failures)
{
	int64_t late = failures == 0 ? 0 : failures > 8 ? LAST_MS : (int64_t)FIRST_MS << failures;

	return late > LAST_MS ? LAST_MS : late;
}

int64_t
penalty_late(struct span peer)
{
	uint64_t             key = key_of(peer);
	const struct record *r = &table.record[key % ENTRIES];
	int64_t              late = 0;

	monitor_enter(&table.lock);
	if (key && r->key == key && clock_now() - r->last <= FORGIVEN_MS)
		late = lateness(r->failures);
	monitor_leave(&table.lock);
	return late;
}

int64_t
penalty_note(struct span peer, bool failed, uint64_t what)
{
	uint64_t       key = key_of(peer);
	struct record *r = &table.record[key % ENTRIES];
	int64_t        late;

	if (!key)
		return 0;
	monitor_enter(&table.lock);
	if (r->key != key || clock_now() - r->last > FORGIVEN_MS)
		*r = (struct record){.key = key};
	late = lateness(r->failures);
	if (!failed)
		*r = (struct record){0};
	else if (!known_failure(r, what))
		r->failures++;
	r->last = clock_now();
	monitor_leave(&table.lock);
	return late;
}
