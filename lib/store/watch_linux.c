/* SPDX-License-Identifier: ISC */
/*
 * watch_linux.c - changes of a mailbox by inotify(7)
 */
#include "store/watch.h"

#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

/* By way of /proc/self/fd: the very directories that are held, whatever their
 * paths are by now; by path where /proc is not to be seen. */
static bool
add(const struct watch *w, const struct folder *f, int dir, const char *part)
{
	const uint32_t events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
	char           path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
	if (inotify_add_watch(w->fd, path, events) >= 0)
		return true;
	autofree char *real = mem_format("%s/%s%s/%s", maildir_path(f->maildir), *f->name ? "." : "",
		f->name, part);

	return inotify_add_watch(w->fd, real, events) >= 0;
}

void
watch_start(struct watch *w, const struct folder *f)
{
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd >= 0 && (!add(w, f, f->new_dir, "new") || !add(w, f, f->cur_dir, "cur")))
		watch_stop(w);
}

void
watch_stop(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

int
watch_fd(const struct watch *w)
{
	return w->fd;
}

void
watch_drain(struct watch *w)
{
	char events[4096];

	while (w->fd >= 0 && read(w->fd, events, sizeof events) > 0)
		;
}
