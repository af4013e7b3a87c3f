/* SPDX-License-Identifier: ISC */
/*
 * poller_linux.c - a crowd of descriptors by epoll(7)
 */
#include "base/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"

enum { BATCH = 64 };

struct poller {
	int fd;
};

struct poller *
poller_new(void)
{
	struct poller *p = mem_alloc(sizeof *p);

	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0)
		abort(); /* no descriptor left before the first client */
	return p;
}

void
poller_free(struct poller *p)
{
	close(p->fd);
	free(p);
}

int
poller_set(struct poller *p, int fd, unsigned events, void *key, struct fault *why)
{
	struct epoll_event e = {
		.events = (events & POLLER_IN ? EPOLLIN : 0u) | (events & POLLER_OUT ? EPOLLOUT : 0u), .data.ptr = key,
	};
	/* With no wish left epoll would still tell of a hang-up, for ever. */
	int how = events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

	if (epoll_ctl(p->fd, how, fd, &e) == 0 || (!events && errno == ENOENT))
		return 0;
	if (events && errno == ENOENT && epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	return fault_errno(why, "epoll_ctl");
}

int
poller_wait(struct poller *p, struct poller_event *out, int room, int ms)
{
	struct epoll_event got[BATCH];
	int                n = epoll_wait(p->fd, got, room < BATCH ? room : BATCH, ms);

	for (int i = 0; i < n; i++) {
		bool broken = got[i].events & (EPOLLERR | EPOLLHUP);

		out[i].key = got[i].data.ptr;
		out[i].events = (got[i].events & EPOLLIN || broken ? POLLER_IN : 0u) |
		                (got[i].events & EPOLLOUT || broken ? POLLER_OUT : 0u);
	}
	return n < 0 ? 0 : n;
}
