/* SPDX-License-Identifier: ISC */
/*
 * queue_foreign.c - is there mail of Postfix in a queue directory?
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/postfix_directory.h"
#include "queue/postfix_queue.h"
#include "queue/queue_move.h"

static int
is_one(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	struct text  *found = context;
	autoclose int fd = -1;
	struct stat   st;
	char          start[POSTFIX_SIZE_RECORD];
	ssize_t       n;

	(void)why;
	if (fstatat(dir, id, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IRWXU) != S_IRWXU)
		return 0;
	fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, start, sizeof start);
	if (n <= 0 || !postfix_file_begins(span_at(start, (size_t)n)))
		return 0;
	text_set(found, span_of(path));
	return 1;
}

static int
is_any(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	(void)dir, (void)id, (void)why;
	text_set(context, span_of(path));
	return 1;
}

int
queue_is_foreign(const char *root, struct text *path, struct fault *why)
{
	static const char *const staged[] = {"import/maildrop", "import/active", "import/deferred", "import/hold"};
	autoclose int            dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int                      got = 0;

	if (dir < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "open queue directory %s", root);
	for (size_t k = 0; k < COUNT(staged) && got == 0; k++)
		got = postfix_walk(dir, staged[k], is_any, path, why);
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT && got == 0; s++)
		got = postfix_walk(dir, queue_state_name((enum queue_state)s), is_one, path, why);
	return got == 0 ? postfix_walk(dir, "export", is_any, path, why) : got;
}
