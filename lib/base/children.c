/* SPDX-License-Identifier: ISC */
/*
 * children.c - many programs run, a few at the same time; they are heard in order
 *
 * Those that run ahead of the one whose turn it is wait for it at worst with
 * a full pipe.
 */
#include "base/children.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

enum { AT_ONCE = 8, PIECE = 8192 };

struct child {
	pid_t pid;                        /* -1: not started */
	int   from;                       /* its words */
};

/* All ends close on exec: a child that held its neighbour's would hide the neighbour's end. */
static struct child
start(const struct children *all, size_t i)
{
	struct child c = {.pid = -1, .from = -1};
	int          ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return c;
	if ((c.pid = fork()) == 0) {
		all->become(all->with, i, ends[1]);
		_exit(127);
	}
	close(ends[1]);
	c.from = ends[0];
	return c;
}

/* To its end; false: it shall be killed. */
static bool
listen_to(const struct children *all, int from, struct text *said)
{
	struct pollfd p = {.fd = from, .events = POLLIN};

	while (said->len <= all->limit) {
		int     ready = poll(&p, 1, all->patience ? all->patience : -1);
		ssize_t got = ready > 0 ? read(from, text_room(said, PIECE), PIECE) : -1;

		if (ready > 0 && got == 0)
			return true;
		if (ready == 0 || (got < 0 && errno != EINTR))
			return false;
		if (got > 0)
			said->len += (size_t)got;
	}
	return false;
}

static void
finish(const struct children *all, size_t i, struct child c)
{
	autotext struct text said = {0};
	int                  status = -1;

	if (c.pid > 0 && !listen_to(all, c.from, &said))
		kill(c.pid, SIGKILL);
	while (c.pid > 0 && waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (c.from >= 0)
		close(c.from);
	all->hear(all->with, i, text_span(&said), status);
}

void
children_run(const struct children *all)
{
	struct child child[AT_ONCE];
	size_t       begun = 0;

	for (size_t i = 0; i < all->count; i++) {
		for (; begun < all->count && begun < i + AT_ONCE; begun++)
			child[begun % AT_ONCE] = start(all, begun);
		finish(all, i, child[i % AT_ONCE]);
	}
}
