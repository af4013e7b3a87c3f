/* SPDX-License-Identifier: ISC */
/*
 * fault_point.c - dying, or failing, where a test asked for it
 */
#include "base/fault_point.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t        passages;

static void
write_passage(const char *name)
{
	const char *path = getenv("POSTERN_FAULT_LOG");
	int         fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
	char        line[100];
	size_t      len = strlen(name) < sizeof line - 1 ? strlen(name) : sizeof line - 1;

	if (fd < 0)
		return;
	memcpy(line, name, len);
	line[len] = '\n';
	if (write(fd, line, len + 1) < 0)
		close(fd);
	else
		close(fd);
}

/* The action asked for at this passage, or "". */
static struct span
action_now(const char *name)
{
	struct span rest = span_of(getenv("POSTERN_FAULT")), where, count;
	uint64_t    wanted;

	if (!rest.len || !span_split(&rest, ':', &where) || !span_split(&rest, ':', &count))
		return SPAN_NONE;
	if (!span_is(where, "*") && !span_is(where, name))
		return SPAN_NONE;
	passages++;
	return span_number(count, &wanted) && wanted == passages ? rest : SPAN_NONE;
}

int
fault_point_reached(const char *name, struct fault *why)
{
	struct span action;

	pthread_mutex_lock(&lock);
	write_passage(name);
	action = action_now(name);
	pthread_mutex_unlock(&lock);
	if (span_is(action, "kill"))
		raise(SIGKILL);
	if (!span_is(action, "eio") && !span_is(action, "enospc"))
		return 0;
	errno = span_is(action, "eio") ? EIO : ENOSPC;
	return fault_errno(why, "fault point %s", name);
}
