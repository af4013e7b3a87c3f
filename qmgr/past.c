/* SPDX-License-Identifier: ISC */
/*
 * past.c - did the queue manager before us end well?
 *
 * What it was delivering when it was killed may arrive twice, and the log has
 * to say so. ids/qmgr-run says "running" from start to a good end. Each run has a file of
 * its own under that name, by rename: one that drains while its successor runs
 * already writes its end into a file that is gone, and so says nothing about the successor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "qmgr.h"

static const char run_file[] = "../ids/qmgr-run", run_next[] = "../ids/qmgr-run.new"; /* beside active/ */

static bool
is_ended(int dir)
{
	autoclose int fd = openat(dir, run_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char          word[8] = "";

	return fd >= 0 && read(fd, word, sizeof word - 1) > 0 && strncmp(word, "ended", 5) == 0;
}

int
run_begin(struct queue *queue, bool *ended_well, struct fault *why)
{
	int           dir = queue_directory(queue, QUEUE_ACTIVE);
	autoclose int fd = openat(dir, run_next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "running\n", 8) != 8)
		return fault_errno(why, "write %s", run_next + 3);
	*ended_well = is_ended(dir);
	if (renameat(dir, run_next, dir, run_file) < 0)
		return fault_errno(why, "rename %s", run_next + 3);
	return take_fd(fd);
}

void
run_ended_well(int fd)
{
	if (pwrite(fd, "ended  \n", 8, 0) != 8)
		log_warning("write %s: %s", run_file + 3, strerror(errno));
}
