/* SPDX-License-Identifier: ISC */
/*
 * message_file.c - a message copied into a file of the target's own
 */
#include "store/message_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/maildir.h"
#include "store/publish.h"
#include "store/shared_mode.h"

enum { PIECE = 65536 };

static int
copy_bytes(int from, int to, struct dotlock *held, struct fault *why)
{
	autofree char *room = mem_alloc(PIECE);
	ssize_t        n;

	while ((n = read(from, room, PIECE)) > 0) {
		if (file_write(to, span_at(room, (size_t)n), why) < 0)
			return -1;
		dotlock_touch(held);
	}
	return n < 0 ? fault_errno(why, "read a message") : 0;
}

/* The date before the flush: both, or neither. */
static int
fill(int source, int target, struct dotlock *held, struct fault *why)
{
	struct stat st;

	if (fstat(source, &st) < 0)
		return fault_errno(why, "stat a message");
	if (!S_ISREG(st.st_mode))
		return fault_set(why, FAULT_INPUT, "a message that is not a regular file");
	struct timespec times[2] = {st.st_mtim, st.st_mtim};

	if (copy_bytes(source, target, held, why) < 0)
		return -1;
	if (futimens(target, times) < 0)
		return fault_errno(why, "set the date of a message");
	return file_sync(target, why);
}

int
message_file_copy(int source, int tmp_dir, int to_dir, const char *to, struct dotlock *held, struct fault *why)
{
	autotext struct text name = {0};
	autoclose int        target = -1;

	maildir_unique_name(&name);
	target = openat(tmp_dir, text_string(&name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return fault_errno(why, "create tmp/%s", text_string(&name));
	shared_mode_follow(tmp_dir, target);
	if (fill(source, target, held, why) == 0 && publish_no_replace(tmp_dir, text_string(&name), to_dir, to, why) == 0)
		return 0;
	unlinkat(tmp_dir, text_string(&name), 0);
	return -1;
}
