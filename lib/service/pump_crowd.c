/* SPDX-License-Identifier: ISC */
/*
 * pump_crowd.c - the list of all seats, and of those the loop shall take: a monitor
 */
#include <string.h>

#include "base/clock.h"
#include "base/task.h"
#include "service/pump_seat.h"

static struct {
	struct monitor lock;
	struct seat   *all, *fresh, *woken;     /* fresh, woken: for the loop to take */
	int            count;
} crowd = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

void
pump_crowd_add(struct seat *s)
{
	monitor_enter(&crowd.lock);
	s->next = crowd.all;
	if (s->next)
		s->next->before = s;
	crowd.all = s;
	crowd.count++;
	s->queued = crowd.fresh;
	crowd.fresh = s;
	monitor_leave(&crowd.lock);
}

void
pump_crowd_woken(struct seat *s)
{
	monitor_enter(&crowd.lock);
	s->queued = crowd.woken;
	crowd.woken = s;
	monitor_leave(&crowd.lock);
}

void
pump_crowd_remove(struct seat *s)
{
	monitor_enter(&crowd.lock);
	if (s->before)
		s->before->next = s->next;
	else
		crowd.all = s->next;
	if (s->next)
		s->next->before = s->before;
	crowd.count--;
	monitor_leave(&crowd.lock);
}

static struct seat *
take_list(struct seat **list)
{
	struct seat *taken;

	monitor_enter(&crowd.lock);
	taken = *list;
	*list = NULL;
	monitor_leave(&crowd.lock);
	return taken;
}

struct seat *
pump_crowd_take_fresh(void)
{
	return take_list(&crowd.fresh);
}

struct seat *
pump_crowd_take_woken(void)
{
	return take_list(&crowd.woken);
}

/* Only the loop takes seats off the list; new ones come in front. */
void
pump_each(void (*look)(struct seat *, void *), void *context)
{
	struct seat *s, *next;

	monitor_enter(&crowd.lock);
	s = crowd.all;
	monitor_leave(&crowd.lock);
	for (; s; s = next) {
		monitor_enter(&crowd.lock);
		next = s->next;
		monitor_leave(&crowd.lock);
		look(s, context);
	}
}

bool
pump_crowd_evict(const char *user, const char *peer, int64_t idle_ms)
{
	struct seat *oldest = NULL;
	int64_t      before = clock_now() - idle_ms;

	monitor_enter(&crowd.lock);
	for (struct seat *s = crowd.all; s; s = s->next) {
		if ((user && strcmp(s->client.user, user) != 0) || (peer && strcmp(s->client.peer, peer) != 0) || s->evict)
			continue;
		if (s->active <= before && (!oldest || s->active < oldest->active))
			oldest = s;
	}
	if (oldest)
		oldest->evict = true;
	monitor_leave(&crowd.lock);
	return oldest != NULL;
}

int
pump_crowd_count(void)
{
	int n;

	monitor_enter(&crowd.lock);
	n = crowd.count;
	monitor_leave(&crowd.lock);
	return n;
}
