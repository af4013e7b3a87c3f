/* SPDX-License-Identifier: ISC */
/*
 * delivery.c - a message into tmp/, then into new/, durable at every step
 *
 * A reader never sees half a message, and a crash leaves at worst a stray file
 * in tmp/ (swept after 36 hours).  The order is write, fsync, rename, fsync of
 * the directory: without the last a power cut loses the name (SECURITY.md 3.1b).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/maildir_private.h"
#include "store/publish.h"
#include "store/shared_mode.h"

enum { DELIVERY_BUFFER = 65536, TMP_HOURS = 36 };

struct maildir_delivery {
	struct maildir *maildir;      /* borrowed */
	int             tmp, new, cur, file;
	char           *name;         /* in tmp/; NULL when no longer ours */
	char           *folder;
	struct text     buffer;
	uint64_t        size, line_feeds;
	bool            after_return; /* the last byte was CR */
};

static int
open_parts(struct maildir_delivery *d, const char *folder, struct fault *why)
{
	autoclose int dir = maildir_folder_open(d->maildir, folder, why);

	if (dir < 0)
		return -1;
	if ((d->tmp = file_open_beneath(dir, "tmp", O_RDONLY | O_DIRECTORY, 0, why)) < 0
		|| (d->new = file_open_beneath(dir, "new", O_RDONLY | O_DIRECTORY, 0, why)) < 0
		|| (d->cur = file_open_beneath(dir, "cur", O_RDONLY | O_DIRECTORY, 0, why)) < 0)
		return -1;
	return 0;
}

/* Removes what crashed writers left, judged once a day by the directory's times. */
static void
sweep_tmp(int tmp)
{
	struct stat st;
	time_t      now = time(NULL);

	if (fstat(tmp, &st) < 0 || st.st_atime > now - 86400)
		return;
	struct timespec times[2] = {{.tv_sec = now}, {.tv_nsec = UTIME_OMIT}};

	futimens(tmp, times);
	DIR *dir = file_directory(tmp);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.' && fstatat(tmp, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
			&& S_ISREG(st.st_mode) && st.st_ctime < now - TMP_HOURS * 3600)
			unlinkat(tmp, e->d_name, 0);
	closedir(dir);
}

int
maildir_delivery_start(struct maildir *m, const char *folder, struct maildir_delivery **out,
	struct fault *why)
{
	struct maildir_delivery *d = mem_alloc(sizeof *d);
	struct text              name = {0};

	d->maildir = m;
	d->folder = mem_string(folder);
	d->tmp = d->new = d->cur = d->file = -1;
	if (open_parts(d, folder, why) < 0) {
		maildir_delivery_abort(d);
		return -1;
	}
	sweep_tmp(d->tmp);
	maildir_unique_name(&name);
	d->file = openat(d->tmp, text_string(&name),
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->file < 0) {
		fault_errno(why, "create tmp/%s", text_string(&name));
		text_free(&name);
		maildir_delivery_abort(d);
		return -1;
	}
	shared_mode_follow(d->tmp, d->file);
	d->name = name.at;
	*out = d;
	return 0;
}

static int
flush(struct maildir_delivery *d, struct fault *why)
{
	if (d->buffer.len && file_write(d->file, text_span(&d->buffer), why) < 0)
		return fault_prefix(why, "tmp/%s", d->name);
	text_clear(&d->buffer);
	return 0;
}

int
maildir_delivery_add(struct maildir_delivery *d, struct span s, struct fault *why)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '\n' && !d->after_return)
			d->line_feeds++; /* W= counts these as CRLF */
		d->after_return = s.at[i] == '\r';
	}
	d->size += s.len;
	text_add(&d->buffer, s);
	return d->buffer.len >= DELIVERY_BUFFER ? flush(d, why) : 0;
}

static bool
same_content(int a, int b)
{
	autofree char *x = mem_alloc(DELIVERY_BUFFER), *y = mem_alloc(DELIVERY_BUFFER);
	struct stat    s, t;

	if (fstat(a, &s) < 0 || fstat(b, &t) < 0 || !S_ISREG(t.st_mode) || s.st_size != t.st_size)
		return false;
	for (off_t at = 0; at < s.st_size;) {
		off_t  left = s.st_size - at;
		size_t n = left < DELIVERY_BUFFER ? (size_t)left : DELIVERY_BUFFER;

		if (file_read_at(a, x, n, at, NULL) < 0 || file_read_at(b, y, n, at, NULL) < 0
			|| memcmp(x, y, n) != 0)
			return false;
		at += (off_t)n;
	}
	return true;
}

/* Is a message whose base starts with `unsized` and has this content in the
 * directory?  The reader may have moved it to cur/ and given it flags. */
static bool
present_in(struct maildir_delivery *d, int directory, struct span unsized, struct text *name)
{
	DIR *dir = file_directory(directory);
	bool found = false;

	if (!dir)
		return false;
	for (struct dirent *e; !found && (e = readdir(dir));) {
		struct span s = span_of(e->d_name);

		if (s.len <= unsized.len || memcmp(s.at, unsized.at, unsized.len) != 0
			|| (s.at[unsized.len] != ',' && s.at[unsized.len] != ':'))
			continue;
		autoclose int there = file_open_beneath(directory, e->d_name, O_RDONLY | O_NONBLOCK,
			0, NULL);

		if (there >= 0 && same_content(d->file, there)) {
			text_set(name, s);
			found = true;
		}
	}
	closedir(dir);
	return found;
}

static void
add_sizes(const struct maildir_delivery *d, struct text *name)
{
	text_add_format(name, ",S=%llu,W=%llu", (unsigned long long)d->size,
		(unsigned long long)(d->size + d->line_feeds));
}

/* The name is durable before success is told; so is the one found already there. */
static int
sync_new(struct maildir_delivery *d, struct fault *why)
{
	return file_sync(d->new, why) < 0 ? fault_prefix(why, "new") : 0;
}

static int
found_already(struct maildir_delivery *d, struct maildir_delivered *done, struct text *name,
	struct fault *why)
{
	if (sync_new(d, why) < 0 || file_sync(d->cur, why) < 0)
		return -1;
	done->duplicate = true;
	done->size = d->size;
	text_set(&done->name, text_span(name));
	return 0;
}

static int
publish(struct maildir_delivery *d, const struct maildir_message *message,
	struct maildir_delivered *done, struct fault *why)
{
	autotext struct text name = {0}, there = {0};
	bool                 renamed = false;

	if (message->queue_id.len) {
		maildir_repeatable_name(message, &name);
		if (!message->first_try && (present_in(d, d->new, text_span(&name), &there)
			|| present_in(d, d->cur, text_span(&name), &there)))
			return found_already(d, done, &there, why);
	} else {
		text_add(&name, span_of(d->name));
	}
	add_sizes(d, &name);
	while (publish_no_replace(d->tmp, d->name, d->new, text_string(&name), why) < 0) {
		if (why->error != EEXIST)
			return -1;
		autoclose int other = file_open_beneath(d->new, text_string(&name),
			O_RDONLY | O_NONBLOCK, 0, NULL);

		if (other >= 0 && same_content(d->file, other))
			return found_already(d, done, &name, why);
		text_clear(&name);
		maildir_unique_name(&name);
		add_sizes(d, &name);
		renamed = true;
	}
	free(take(d->name));
	if (sync_new(d, why) < 0)
		return -1;
	maildir_size_add(d->maildir, d->folder, (int64_t)d->size, 1);
	done->renamed = renamed;
	done->size = d->size;
	text_set(&done->name, text_span(&name));
	return 0;
}

int
maildir_delivery_file(struct maildir_delivery *d, int *fd, struct fault *why)
{
	if (flush(d, why) < 0)
		return -1;
	*fd = d->file;
	return 0;
}

int
maildir_delivery_finish(struct maildir_delivery *d, const struct maildir_message *message,
	struct maildir_delivered *done, struct fault *why)
{
	struct fault own = {0};
	int          result = -1;

	if (flush(d, &own) == 0 && file_sync(d->file, &own) == 0)
		result = publish(d, message, done, &own);
	if (result < 0 && why)
		*why = own;
	maildir_delivery_abort(d);
	return result;
}

int
maildir_delivery_hold(struct maildir_delivery *d, int64_t mtime, struct text *tmp_name,
	uint64_t *size, uint64_t *full_size, struct fault *why)
{
	struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	if (flush(d, why) < 0)
		return -1;
	if (mtime >= 0 && futimens(d->file, times) < 0)
		return fault_errno(why, "set the time of tmp/%s", d->name);
	if (file_sync(d->file, why) < 0)
		return fault_prefix(why, "tmp/%s", d->name);
	text_set(tmp_name, span_of(d->name));
	*size = d->size;
	*full_size = d->size + d->line_feeds;
	return 0;
}

void
maildir_delivery_abort(struct maildir_delivery *d)
{
	if (!d)
		return;
	if (d->name)
		unlinkat(d->tmp, d->name, 0);
	int *const all[] = {&d->tmp, &d->new, &d->cur, &d->file};

	for (size_t i = 0; i < COUNT(all); i++)
		if (*all[i] >= 0)
			close(*all[i]);
	free(d->name);
	free(d->folder);
	text_free(&d->buffer);
	free(d);
}
