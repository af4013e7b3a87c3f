/* SPDX-License-Identifier: ISC */
/*
 * queue_counter.c - the number in a queue id, which never comes twice
 *
 * The file ids/next holds the first number that nobody has reserved.  A
 * process reserves a block: it reads the number, writes what comes behind its
 * block, and flushes, before it uses the first of them.  A crash wastes the
 * rest of a block.  The number is overwritten in place, within a sector.  When
 * the file is lost the count begins anew at random, and the time in the id
 * keeps the ids apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "queue/queue_private.h"

enum { BLOCK = 4096, NUMBER_WIDTH = 20 };

static uint64_t
random_start(void)
{
	uint32_t n = 0;

	if (getentropy(&n, sizeof n) < 0)
		n = (uint32_t)clock_wall();
	return (uint64_t)n + 1;
}

static uint64_t
read_number(int fd)
{
	char        bytes[NUMBER_WIDTH + 1];
	ssize_t     len = pread(fd, bytes, sizeof bytes, 0);
	struct span s = span_trim(span_at(bytes, len < 0 ? 0 : (size_t)len));
	uint64_t    n;

	if (span_number(s, &n) && n > 0 && n < INT64_MAX - BLOCK)
		return n;
	if (len > 0)
		log_warning("queue file ids/next is damaged: counting begins anew");
	return random_start();
}

static int
open_counter(struct queue *q, int *fd, struct fault *why)
{
	*fd = openat(q->root, "ids/next", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0 && errno == ENOENT && mkdirat(q->root, "ids", 0700) == 0)
		*fd = openat(q->root, "ids/next", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return fault_errno(why, "open ids/next");
	while (flock(*fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return fault_errno(why, "lock ids/next");
	return 0;
}

static int
reserve(struct queue *q, uint64_t *first, struct fault *why)
{
	autoclose int fd = -1;
	uint64_t      n;
	char          bytes[NUMBER_WIDTH + 2];

	if (open_counter(q, &fd, why) < 0)
		return -1;
	n = read_number(fd);
	snprintf(bytes, sizeof bytes, "%0*" PRIu64 "\n", NUMBER_WIDTH, n + BLOCK);
	if (file_write_at(fd, span_at(bytes, NUMBER_WIDTH + 1), 0, why) < 0 ||
	    fault_point("queue.counter.written", why) < 0 || file_sync(fd, why) < 0)
		return fault_prefix(why, "ids/next");
	*first = n;
	return 0;
}

/* The end is moved by the one who reserves, without the lock: others wait. */
static int
reserve_for_all(struct queue *q, struct fault *why)
{
	uint64_t first = 0;
	int      done;

	q->end_number = UINT64_MAX; /* says: somebody is at it */
	monitor_leave(&q->ids);
	done = reserve(q, &first, why);
	monitor_enter(&q->ids);
	q->next_number = done == 0 ? first : 0;
	q->end_number = done == 0 ? first + BLOCK : 0;
	monitor_wake(&q->ids);
	return done;
}

int
queue_new_id(struct queue *q, int64_t time_us, struct queue_id *id, struct fault *why)
{
	uint64_t number;

	monitor_enter(&q->ids);
	while (q->end_number == UINT64_MAX || q->next_number == q->end_number) {
		if (q->end_number == UINT64_MAX)
			monitor_wait(&q->ids, CLOCK_NEVER);
		else if (reserve_for_all(q, why) < 0) {
			monitor_leave(&q->ids);
			return -1;
		}
	}
	number = q->next_number++;
	monitor_leave(&q->ids);
	queue_id_make(time_us, number, id);
	return 0;
}
