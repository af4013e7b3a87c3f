/* SPDX-License-Identifier: ISC */
/*
 * watch_linux.c - changes of a mailbox by inotify(7)
 */
#include "store/watch.h"

#include <stdio.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct watch_mark { int wd; uint32_t number; };

static bool
has_name(int dir, const char *real)
{
	struct stat held, named;

	return fstat(dir, &held) == 0 && stat(real, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* By way of /proc/self/fd: the very directories that are held, whatever their
 * paths are by now; where /proc is not to be seen by path, unless another mailbox has that name now. */
static int
add_directory(int fd, int dir, const char *real)
{
	const uint32_t events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
	char           path[64];
	int            wd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
	wd = inotify_add_watch(fd, path, events);
	if (wd >= 0 || !has_name(dir, real))
		return wd;
	wd = inotify_add_watch(fd, real, events);
	if (wd >= 0 && !has_name(dir, real)) {
		inotify_rm_watch(fd, wd);
		return -1;
	}
	return wd;
}

static bool
add(const struct watch *w, const struct folder *f, int dir, const char *part)
{
	autofree char *real = mem_format("%s/%s%s/%s", maildir_path(f->maildir), *f->name ? "." : "",
		f->name, part);

	return add_directory(w->fd, dir, real) >= 0;
}

/* Where this user's other sessions say what they have seen; each takes a lock there. */
static bool
add_private(struct watch *w, const struct folder *f)
{
	return maildir_private(f->maildir) < 0 || add_directory(w->fd, maildir_private(f->maildir), "") >= 0;
}

void
watch_start(struct watch *w, const struct folder *f)
{
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd >= 0 && (!add(w, f, f->new_dir, "new") || !add(w, f, f->cur_dir, "cur") || !add_private(w, f)))
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

bool
watch_sees_all(int dir)
{
	static const unsigned long local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
		F2FS_SUPER_MAGIC, 0x2fc12fc1 /* zfs */, 0xca451a4e /* bcachefs */};
	struct statfs fs;

	for (size_t i = 0; fstatfs(dir, &fs) == 0 && i < COUNT(local); i++)
		if ((unsigned long)fs.f_type == local[i])
			return true;
	return false;
}

/* ------------------------------------------------------------ many */

void
watch_many_start(struct watch_many *w)
{
	*w = (struct watch_many){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
}

void
watch_many_stop(struct watch_many *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->marks);
	text_free(&w->heard);
	text_free(&w->name);
	*w = (struct watch_many){.fd = -1};
}

static struct watch_mark *
find_mark(const struct watch_many *w, int wd)
{
	size_t low = 0, high = w->count; /* the kernel counts up */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->marks[middle].wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->count && w->marks[low].wd == wd ? &w->marks[low] : NULL;
}

bool
watch_many_add(struct watch_many *w, int dir, const char *path, uint32_t number)
{
	int                wd = w->fd < 0 ? -1 : add_directory(w->fd, dir, path);
	struct watch_mark *mark;

	if (wd < 0)
		return false;
	if ((mark = find_mark(w, wd))) {
		mark->number = number;
		return true;
	}
	w->marks = mem_grow(w->marks, w->count + 1, sizeof *w->marks);
	w->marks[w->count++] = (struct watch_mark){wd, number};
	for (size_t i = w->count - 1; i > 0 && w->marks[i - 1].wd > wd; i--) {
		w->marks[i] = w->marks[i - 1];
		w->marks[i - 1] = (struct watch_mark){wd, number};
	}
	return true;
}

void
watch_many_drop(struct watch_many *w, uint32_t number)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->count; i++) {
		if (w->marks[i].number == number)
			inotify_rm_watch(w->fd, w->marks[i].wd);
		else
			w->marks[kept++] = w->marks[i];
	}
	w->count = kept;
}

static bool
hear(struct watch_many *w)
{
	ssize_t n;

	text_clear(&w->heard);
	n = w->fd < 0 ? -1 : read(w->fd, text_room(&w->heard, 16384), 16384);
	w->heard.len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

bool
watch_many_next(struct watch_many *w, uint32_t *number, struct span *name)
{
	struct inotify_event e;
	struct watch_mark   *mark;

	while (w->heard.len >= sizeof e || hear(w)) {
		memcpy(&e, w->heard.at, sizeof e);
		text_set(&w->name, e.len ? span_of(w->heard.at + sizeof e) : SPAN_NONE);
		text_drop(&w->heard, sizeof e + e.len);
		*name = text_span(&w->name);
		if (e.mask & IN_Q_OVERFLOW) {
			*number = WATCH_LOST;
			return true;
		}
		if (e.mask & IN_IGNORED || !(mark = find_mark(w, e.wd)))
			continue;
		*number = mark->number;
		return true;
	}
	return false;
}
