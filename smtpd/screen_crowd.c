/* SPDX-License-Identifier: ISC */
/*
 * screen_crowd.c - how many clients there are, and from where: the monitor of all in this process
 */
#include <stdlib.h>

#include "base/strmap.h"
#include "base/task.h"
#include "screen.h"

static struct {
	struct monitor lock;
	struct strmap *from;                   /* address -> size_t * */
	int            screening, handing;
} crowd = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

size_t
crowd_enter(const char *address, int *screening)
{
	size_t *n, count;

	monitor_enter(&crowd.lock);
	if (!crowd.from)
		crowd.from = strmap_new();
	n = strmap_get(crowd.from, span_of(address));
	if (!n)
		strmap_put(crowd.from, span_of(address), n = mem_alloc(sizeof *n));
	count = ++*n;
	*screening = ++crowd.screening;
	monitor_leave(&crowd.lock);
	return count;
}

void
crowd_leave(const char *address)
{
	size_t *n;

	monitor_enter(&crowd.lock);
	n = strmap_get(crowd.from, span_of(address));
	if (n && --*n == 0)
		free(strmap_remove(crowd.from, span_of(address)));
	crowd.screening--;
	monitor_leave(&crowd.lock);
}

int
crowd_handing(int more)
{
	int n;

	monitor_enter(&crowd.lock);
	n = crowd.handing += more;
	monitor_leave(&crowd.lock);
	return n;
}
