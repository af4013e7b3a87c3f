/* SPDX-License-Identifier: ISC */
/*
 * authd_source.c - passwd-files, read at start and again when they change
 */
#include "authd_source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authd_cache.h"
#include "authd_helper.h"
#include "base/file.h"
#include "base/log.h"
#include "base/task.h"

enum { FILE_MAX = 64 << 20 };

struct source {
	const char         *path;
	int                 fd;
	struct stat         seen;
	struct passwd_file *file;        /* read and replaced under the lock */
};

static struct {
	struct monitor lock;
	struct source  source[SOURCES_MAX];
	const char    *paths[SOURCES_MAX];
	size_t         count;
} sources = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

int
source_add(const char *path, size_t *index, struct fault *why)
{
	for (size_t i = 0; i < sources.count; i++)
		if (strcmp(sources.source[i].path, path) == 0) {
			*index = i;
			return 0;
		}
	if (sources.count == SOURCES_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d passwd-files", SOURCES_MAX);
	*index = sources.count;
	sources.paths[sources.count] = path;
	sources.source[sources.count++] = (struct source){.path = path, .fd = -1};
	return 0;
}

static int
read_source(struct source *s, int fd, struct fault *why)
{
	autotext struct text all = {0};
	struct stat          st;

	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fault_errno(why, "%s", s->path);
	if (file_read_fd(fd, FILE_MAX, &all, why) < 0)
		return fault_prefix(why, "%s", s->path);
	struct passwd_file *file = passwd_file_parse(text_span(&all)), *before;

	mem_wipe(all.at, all.room);
	if (file->skipped)
		log_warning("passwd-file %s: %zu lines without a user name", s->path, file->skipped);
	monitor_enter(&sources.lock);
	before = s->file;
	s->file = file;
	s->seen = st;
	if (s->fd != fd && s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	monitor_leave(&sources.lock);
	passwd_file_free(before);
	cache_empty();
	return 0;
}

static bool
has_changed(const struct source *s)
{
	struct stat st;

	return fstat(s->fd, &st) < 0 || st.st_nlink == 0 || st.st_size != s->seen.st_size ||
	       st.st_mtim.tv_sec != s->seen.st_mtim.tv_sec || st.st_mtim.tv_nsec != s->seen.st_mtim.tv_nsec;
}

/* Replaced by rename, or written in place: in both cases opened again by its name. */
static void
refresh(size_t index)
{
	struct source *s = &sources.source[index];
	struct fault   why = {0};
	int            fd;
	bool           changed;

	monitor_enter(&sources.lock);
	changed = has_changed(s);
	monitor_leave(&sources.lock);
	if (!changed)
		return;
	if (helper_open(index, &fd, &why) < 0) {
		log_warning("passwd-file %s: %s: going on with the old one", s->path, fault_text(&why));
		return;
	}
	if (read_source(s, fd, &why) < 0) {
		log_warning("passwd-file: %s: going on with the old one", fault_text(&why));
		close(fd);
	}
}

void
sources_refresh(void)
{
	for (size_t i = 0; i < sources.count; i++)
		refresh(i);
}

/* Copies the entry into the arena, so that the file may be replaced. */
bool
source_find(size_t index, const char *user, struct arena *a, struct passwd_entry *out)
{
	struct source             *s = &sources.source[index];
	const struct passwd_entry *e;

	refresh(index);
	monitor_enter(&sources.lock);
	e = passwd_file_find(s->file, user);
	if (e) {
		*out = *e;
		struct span *spans[] = {&out->password, &out->uid, &out->gid, &out->home, &out->mail, &out->user, &out->allow_nets, &out->unknown, &out->quota,
		                        &out->groups, &out->sieve, &out->route, &out->ignored};

		for (size_t i = 0; i < COUNT(spans); i++)
			*spans[i] = arena_span(a, *spans[i]);
	}
	monitor_leave(&sources.lock);
	return e != NULL;
}

int
sources_open(struct fault *why)
{
	monitor_init(&sources.lock);
	for (size_t i = 0; i < sources.count; i++) {
		int fd = open(sources.source[i].path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

		if (fd < 0)
			return fault_errno(why, "passwd-file: open %s", sources.source[i].path);
		if (read_source(&sources.source[i], fd, why) < 0)
			return -1;
	}
	return 0;
}

const char *const *
sources_paths(size_t *count)
{
	*count = sources.count;
	return sources.paths;
}
