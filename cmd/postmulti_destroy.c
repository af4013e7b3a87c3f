/* SPDX-License-Identifier: ISC */
/*
 * postmulti_destroy.c - postmulti -e destroy: an instance goes, if it has no mail
 *
 * Below queue_directory only the directories go that this system makes there, since
 * the parameter may name any directory; what else lies there stays, and is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd/postmulti.h"

enum { DEPTH = 16 };

static const char *const mail[] = {"maildrop", "incoming", "active", "deferred", "hold", "corrupt"};
static const char *const rest[] = {"ids", "role", "private", "public", "pid"};
static const char *const data[] = {"tables", "caches", "authd.secret", "master.lock"};

static int
stop_at_file(const char *path, const struct stat *s, int kind, struct FTW *where)
{
	(void)path, (void)s, (void)where;
	return kind == FTW_F;
}

static int
remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
	(void)s, (void)where;
	if ((kind == FTW_DP ? rmdir(path) : unlink(path)) < 0 && errno != ENOENT)
		log_warning("remove %s: %m", path);
	return 0;
}

bool
instance_is_running(const struct instance *i)
{
	autofree char *path = mem_format("%s/pid/master.pid", i->queue_directory);
	autoclose int  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

static void
remove_below(const char *directory, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		autofree char *path = mem_format("%s/%s", directory, names[i]);

		nftw(path, remove_one, DEPTH, FTW_DEPTH | FTW_PHYS);
	}
}

static void
remove_empty(const char *directory)
{
	if (rmdir(directory) < 0 && errno != ENOENT)
		log_warning("%s stays: %m", directory);
}

void
instance_destroy(const struct instance *i)
{
	if (instance_is_running(i))
		log_fatal("Instance '%s' is not stopped", i->directory);
	for (size_t k = 0; k < COUNT(mail); k++) {
		autofree char *path = mem_format("%s/%s", i->queue_directory, mail[k]);

		if (nftw(path, stop_at_file, DEPTH, FTW_PHYS) > 0)
			log_fatal("%s: its mail queue is not empty", i->directory);
	}
	remove_below(i->queue_directory, mail, COUNT(mail));
	remove_below(i->queue_directory, rest, COUNT(rest));
	remove_empty(i->queue_directory);
	remove_below(i->data_directory, data, COUNT(data));
	remove_empty(i->data_directory);
	remove_below(i->directory, (const char *const[]){"main.cf", "master.cf"}, 2);
	remove_empty(i->directory);
}
