/* SPDX-License-Identifier: ISC */
/*
 * seen.c - a \Seen of one's own in a mailbox that is shared
 */
#include "store/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/dotlock.h"
#include "store/small_file.h"

#define TITLE "postern-seen 1 "

enum { LOCK_WAIT_MS = 30000, LOCK_STALE_SECONDS = 120 };

void
seen_start(struct seen *s, int dir, const char *origin, const char *guid, const char *folder)
{
	uint64_t h = 14695981039346656037ull;

	*s = (struct seen){.dir = dir};
	for (const char *c = folder; *c; c++)
		h = (h ^ (unsigned char)*c) * 1099511628211ull;
	if (*guid)
		snprintf(s->name, sizeof s->name, "%.16s-%.32s.seen", origin, guid);
	else
		snprintf(s->name, sizeof s->name, "%.16s-name-%016llx.seen", origin, (unsigned long long)h);
}

void
seen_free(struct seen *s)
{
	free(take(s->at));
	s->count = 0;
}

/* ------------------------------------------------------------ sets */

/* The first range that ends at or behind uid. */
static size_t
range_at(const struct seen *s, uint32_t uid)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
seen_has(const struct seen *s, uint32_t uid)
{
	size_t at = range_at(s, uid);

	return at < s->count && s->at[at].first <= uid;
}

static void
push(struct seen_range *to, size_t *count, uint32_t first, uint32_t last)
{
	struct seen_range *before = *count ? &to[*count - 1] : NULL;

	if (before && (before->last == UINT32_MAX || before->last + 1 >= first))
		before->last = last > before->last ? last : before->last;
	else
		to[(*count)++] = (struct seen_range){first, last};
}

/* Both changes are of `n` ranges, ascending, and walk the set once: lines of many ranges are many. */
static void
add_ranges(struct seen *s, const struct seen_range *r, size_t n)
{
	struct seen_range *to = mem_array(s->count + n + 1, sizeof *to);
	size_t             count = 0, k = 0;

	for (size_t i = 0; i < s->count; i++) {
		for (; k < n && r[k].first < s->at[i].first; k++)
			push(to, &count, r[k].first, r[k].last);
		push(to, &count, s->at[i].first, s->at[i].last);
	}
	for (; k < n; k++)
		push(to, &count, r[k].first, r[k].last);
	free(s->at);
	s->at = to;
	s->count = count;
}

static void
remove_ranges(struct seen *s, const struct seen_range *r, size_t n)
{
	struct seen_range *to = mem_array(s->count + n + 1, sizeof *to);
	size_t             count = 0, k = 0;

	for (size_t i = 0; i < s->count; i++) {
		uint64_t first = s->at[i].first, last = s->at[i].last;

		while (k < n && r[k].last < first)
			k++;
		for (size_t of = k; of < n && r[of].first <= last; of++) {
			if (r[of].first > first)
				to[count++] = (struct seen_range){(uint32_t)first, r[of].first - 1};
			first = (uint64_t)r[of].last + 1;
		}
		if (first <= last)
			to[count++] = (struct seen_range){(uint32_t)first, (uint32_t)last};
	}
	free(s->at);
	s->at = to;
	s->count = count;
}

/* ------------------------------------------------------------ the file */

static bool
take_uid(struct span s, uint32_t *out)
{
	uint64_t n;

	if (!span_number(s, &n) || n == 0 || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static void
apply(struct seen *s, char kind, const struct seen_range *r, size_t n)
{
	(kind == '+' ? add_ranges : remove_ranges)(s, r, n);
}

static void
take_line(struct seen *s, struct span line)
{
	char               kind = line.len ? line.at[0] : '\0';
	struct span        one, first;
	struct seen_range *r = NULL;
	size_t             n = 0, room = 0;

	line = span_from(line, line.len ? 1 : 0);
	if (kind == 'R' && take_uid(span_trim(line), &s->told))
		return;
	if (kind != '+' && kind != '-')
		return;
	while (span_next(&line, ",", &one)) {
		struct seen_range now;
		bool              pair = span_split(&one, ':', &first);

		if (!take_uid(first, &now.first) || !take_uid(pair ? one : first, &now.last) || now.first > now.last)
			continue;
		if (n && now.first <= r[n - 1].last) { /* not as we write it */
			apply(s, kind, r, n);
			n = 0;
		}
		if (n == room)
			r = mem_grow(r, room = room * 2 + 16, sizeof *r);
		r[n++] = now;
	}
	apply(s, kind, r, n);
	free(r);
}

void
seen_parse(struct span file, uint32_t validity, struct seen *s)
{
	struct span line;
	uint32_t    is;

	seen_free(s);
	s->told = 0;
	s->lines = 0;
	s->whole = false;
	s->validity = validity;
	if (!span_split(&file, '\n', &line) || !span_starts(line, TITLE)
		|| !take_uid(span_from(line, sizeof TITLE - 1), &is) || is != validity)
		return;
	while (span_split(&file, '\n', &line)) {
		take_line(s, line);
		s->lines++;
	}
	s->whole = line.len == 0;
}

static void
put_ranges(const struct seen_range *r, size_t count, struct text *out)
{
	for (size_t i = 0; i < count; i++) {
		text_add_format(out, "%s%u", i ? "," : "", r[i].first);
		if (r[i].last > r[i].first)
			text_add_format(out, ":%u", r[i].last);
	}
}

void
seen_format(const struct seen *s, struct text *out)
{
	text_add_format(out, TITLE "%u\n", s->validity);
	if (s->count) {
		text_add_byte(out, '+');
		put_ranges(s->at, s->count, out);
		text_add_byte(out, '\n');
	}
	if (s->told)
		text_add_format(out, "R %u\n", s->told);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size
		&& a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool
seen_is_current(const struct seen *s)
{
	struct stat now = {0};

	if (fstatat(s->dir, s->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return s->looked && s->stamp.st_ino == 0;
	return s->looked && same_file(&now, &s->stamp);
}

int
seen_refresh(struct seen *s, uint32_t validity, struct fault *why)
{
	autotext struct text body = {0};
	struct stat          st = {0};
	struct fault         own = {0};

	if (s->validity == validity && seen_is_current(s))
		return 0;
	if (small_file_read(s->dir, s->name, SEEN_FILE_MOST, &body, &st, &own) < 0 && own.error != ENOENT) {
		if (why)
			*why = own;
		return -1;
	}
	seen_parse(text_span(&body), validity, s);
	s->reads++;
	s->stamp = st;
	s->looked = true;
	return 0;
}

/* ------------------------------------------------------------ changes */

static void
remember(struct seen *s)
{
	s->stamp = (struct stat){0};
	s->looked = fstatat(s->dir, s->name, &s->stamp, AT_SYMLINK_NOFOLLOW) == 0;
	s->whole = true;
}

static int
write_anew(struct seen *s, struct fault *why)
{
	autofree char       *temporary = mem_format("%s.tmp", s->name);
	autotext struct text body = {0};

	seen_format(s, &body);
	if (small_file_replace(s->dir, s->name, temporary, text_span(&body), 0, why) < 0) {
		s->looked = false;
		return -1;
	}
	s->lines = 2;
	remember(s);
	return 0;
}

static int
append(struct seen *s, struct span line, bool durable, struct fault *why)
{
	autoclose int fd = file_open_beneath(s->dir, s->name, O_WRONLY | O_APPEND | O_NONBLOCK, 0, why);

	s->looked = false; /* until it is known to be written */
	if (fd < 0 || file_write(fd, line, why) < 0 || (durable && file_sync(fd, why) < 0))
		return -1;
	s->lines++;
	remember(s);
	return 0;
}

/* What the file says now, then the line on top of it. */
static int
change(struct seen *s, struct span line, bool durable, struct fault *why)
{
	struct dotlock lock = {0};
	int            result;

	if (dotlock_take(s->dir, s->name, LOCK_STALE_SECONDS, clock_after(LOCK_WAIT_MS), &lock, why) < 0)
		return -1;
	result = seen_refresh(s, s->validity, why);
	if (result == 0) {
		take_line(s, span_first(line, line.len - 1));
		bool grows = s->whole && s->lines < SEEN_LINES_MOST && (uint64_t)s->stamp.st_size + line.len < SEEN_FILE_GROWS;

		result = grows ? append(s, line, durable, why) : write_anew(s, why);
	}
	dotlock_release(&lock);
	return result;
}

int
seen_change(struct seen *s, const uint32_t *uids, size_t count, bool is_seen, bool durable, struct fault *why)
{
	autotext struct text line = {0};

	if (count == 0)
		return 0;
	text_add_byte(&line, is_seen ? '+' : '-');
	for (size_t i = 0, last; i < count; i = last + 1) {
		for (last = i; last + 1 < count && uids[last + 1] == uids[last] + 1; last++)
			;
		if (i)
			text_add_byte(&line, ',');
		put_ranges(&(struct seen_range){uids[i], uids[last]}, 1, &line);
	}
	text_add_byte(&line, '\n');
	return change(s, text_span(&line), durable, why);
}

int
seen_tell(struct seen *s, uint32_t up_to, struct fault *why)
{
	autotext struct text line = {0};

	text_add_format(&line, "R %u\n", up_to);
	return change(s, text_span(&line), false, why);
}
