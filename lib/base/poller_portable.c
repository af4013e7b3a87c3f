/* SPDX-License-Identifier: ISC */
/*
 * poller_portable.c - a crowd of descriptors by poll(2)
 *
 * place[fd] says where in the array a descriptor stands, plus one.
 */
#include "base/poller.h"

#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"

struct poller {
	struct pollfd *at;
	void         **key;
	size_t         count, room, places, start;
	size_t        *place;
};

struct poller *
poller_new(void)
{
	return mem_alloc(sizeof(struct poller));
}

void
poller_free(struct poller *p)
{
	free(p->at);
	free(p->key);
	free(p->place);
	free(p);
}

static void
forget(struct poller *p, int fd)
{
	size_t at = p->place[fd] - 1, last = p->count - 1;

	p->at[at] = p->at[last];
	p->key[at] = p->key[last];
	p->place[p->at[at].fd] = at + 1;
	p->place[fd] = 0;
	p->count--;
}

static void
make_room(struct poller *p, int fd)
{
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 64;
		p->at = mem_grow(p->at, p->room, sizeof *p->at);
		p->key = mem_grow(p->key, p->room, sizeof *p->key);
	}
	if ((size_t)fd >= p->places) {
		size_t places = (size_t)fd * 2 + 64;

		p->place = mem_grow(p->place, places, sizeof *p->place);
		for (size_t i = p->places; i < places; i++)
			p->place[i] = 0;
		p->places = places;
	}
}

int
poller_set(struct poller *p, int fd, unsigned events, void *key, struct fault *why)
{
	size_t at;

	(void)why;
	make_room(p, fd);
	if (!events) {
		if (p->place[fd])
			forget(p, fd);
		return 0;
	}
	if (!p->place[fd])
		p->place[fd] = ++p->count;
	at = p->place[fd] - 1;
	p->at[at] = (struct pollfd){.fd = fd, .events = (short)((events & POLLER_IN ? POLLIN : 0) | (events & POLLER_OUT ? POLLOUT : 0))};
	p->key[at] = key;
	return 0;
}

/* Begins each time behind where it ended, so that the first do not starve the last. */
int
poller_wait(struct poller *p, struct poller_event *out, int room, int ms)
{
	int filled = 0;

	if (poll(p->at, (nfds_t)p->count, ms) <= 0)
		return 0;
	for (size_t i = 0; i < p->count && filled < room; i++) {
		size_t at = (p->start + i) % p->count;
		short  r = p->at[at].revents;
		bool   broken = r & (POLLERR | POLLHUP | POLLNVAL);

		if (!r)
			continue;
		out[filled].key = p->key[at];
		out[filled++].events = (r & POLLIN || broken ? POLLER_IN : 0u) | (r & POLLOUT || broken ? POLLER_OUT : 0u);
		if (filled == room)
			p->start = at + 1;
	}
	return filled;
}
