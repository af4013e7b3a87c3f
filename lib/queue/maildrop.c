/* SPDX-License-Identifier: ISC */
/*
 * maildrop.c - the records between sendmail, postdrop and pickup
 */
#include "queue/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"

enum { RECORD_HEAD = 5 };

/* Beyond what queue_new_id will ever count to: the name becomes the message's queue id. */
#define MAILDROP_COUNTER (UINT64_C(1) << 40)

void
maildrop_put(struct text *out, char type, struct span value)
{
	uint32_t n = (uint32_t)value.len;
	char head[RECORD_HEAD] = {type, (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

	text_add(out, span_at(head, RECORD_HEAD));
	text_add(out, value);
}

/* ---- the grammar ---- */

static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 127)
			return false;
	return s.len <= MAILDROP_VALUE_MAX;
}

static bool
is_one_of(struct span s, const char *words)
{
	struct span rest = span_of(words), word;

	while (span_next(&rest, " ", &word))
		if (span_equal(word, s))
			return true;
	return false;
}

static bool
attribute_is_right(struct span s)
{
	struct span name;
	uint64_t    n;

	if (!span_split(&s, '=', &name))
		return false;
	if (span_is(name, "ret"))
		return is_one_of(s, "FULL HDRS");
	if (span_is(name, "body"))
		return is_one_of(s, "7BIT 8BITMIME");
	if (span_is(name, "notify"))
		return span_number(s, &n) && n < 16 && (!(n & 1) || n == 1);
	if (span_is(name, "envid"))
		return s.len <= 100;
	if (span_is(name, "verp"))
		return s.len == 2;
	return is_one_of(name, "smtputf8 verify trace") && span_is(s, "yes");
}

/* Stages: 0 nothing yet, then the type of the last record. */
static bool
fits(struct maildrop_reader *r, char type, struct span value)
{
	bool head = r->stage == 'V' || r->stage == 'S' || r->stage == 'F' || r->stage == 'A' ||
	            r->stage == 'R';

	switch (type) {
	case 'V': return r->stage == 0 && span_is(value, "1");
	case 'S':
		return head && !r->seen_sender && !r->rcpts && is_plain(value) &&
		       (r->seen_sender = true);
	case 'F': return head && !r->seen_name && is_plain(value) && (r->seen_name = true);
	case 'A': return head && is_plain(value) && attribute_is_right(value);
	case 'R':
		return head && r->seen_sender && value.len && is_plain(value) &&
		       ++r->rcpts <= MAILDROP_RCPTS_MAX;
	case 'D': return r->rcpts && (head || r->stage == 'D');
	case 'E': return r->rcpts && (head || r->stage == 'D') && value.len == 0;
	default:  return false;
	}
}

/* ---- reading ---- */

/* At least `need` bytes behind `used`: 1, 0 when the file ends before them. */
static int
fill(struct maildrop_reader *r, size_t need, struct fault *why)
{
	if (r->used) {
		text_drop(&r->buffer, r->used);
		r->used = 0;
	}
	while (r->buffer.len < need) {
		ssize_t n = read(r->fd, text_room(&r->buffer, MAILDROP_RECORD_MAX),
		                 MAILDROP_RECORD_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(why, "read");
		if (n == 0)
			return 0;
		r->buffer.len += (size_t)n;
		r->buffer.at[r->buffer.len] = '\0';
	}
	return 1;
}

static int
ends_early(struct maildrop_reader *r, struct fault *why)
{
	r->cut = true;
	return fault_set(why, FAULT_INPUT, "the message ends too early");
}

static int
take_record(struct maildrop_reader *r, char *type, struct span *value, struct fault *why)
{
	const unsigned char *head;
	size_t               len;
	int                  got;

	if (r->buffer.len - r->used < RECORD_HEAD && (got = fill(r, RECORD_HEAD, why)) <= 0)
		return got < 0 ? -1 : ends_early(r, why);
	head = (const unsigned char *)r->buffer.at + r->used;
	len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	if (len > MAILDROP_RECORD_MAX)
		return fault_set(why, FAULT_INPUT, "a record is too long");
	if (r->buffer.len - r->used < RECORD_HEAD + len &&
	    (got = fill(r, RECORD_HEAD + len, why)) <= 0)
		return got < 0 ? -1 : ends_early(r, why);
	*type = r->buffer.at[r->used];
	*value = span_at(r->buffer.at + r->used + RECORD_HEAD, len);
	r->used += RECORD_HEAD + len;
	return 0;
}

int
maildrop_next(struct maildrop_reader *r, char *type, struct span *value, struct fault *why)
{
	int more;

	if (take_record(r, type, value, why) < 0)
		return -1;
	if (!fits(r, *type, *value))
		return fault_set(why, FAULT_INPUT, "unexpected record of type %d", *type);
	r->stage = *type;
	if (*type == 'D')
		r->content += (int64_t)value->len;
	if (*type != 'E')
		return 1;
	more = r->used < r->buffer.len ? 1 : fill(r, 1, why);
	return more == 1 ? fault_set(why, FAULT_INPUT, "there is more behind the end") : more;
}

void
maildrop_reader_free(struct maildrop_reader *r)
{
	text_free(&r->buffer);
}

/* ---- writing ---- */

static uint64_t
random_number(void)
{
	uint32_t n = 0;

	if (getentropy(&n, sizeof n) < 0)
		n = (uint32_t)getpid();
	return n;
}

int
maildrop_create(int dir, struct maildrop_file *f, struct fault *why)
{
	for (int tries = 0; tries < 100; tries++) {
		queue_id_make(clock_wall(), MAILDROP_COUNTER + random_number(), &f->id);
		f->dir = dir;
		f->fd = openat(dir, f->id.text, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		               0600);
		if (f->fd >= 0) {
			(void)fault_point("maildrop.created", NULL);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return fault_errno(why, "create maildrop/%s", f->id.text);
}

int
maildrop_commit(struct maildrop_file *f, struct fault *why)
{
	if (fault_point("maildrop.written", why) < 0)
		return -1;
	if (fchmod(f->fd, 0444) < 0)
		return fault_errno(why, "chmod maildrop/%s", f->id.text);
	if (file_sync(f->fd, why) < 0 || fault_point("maildrop.synced", why) < 0)
		return -1;
	if (f->dir >= 0 && fsync(f->dir) < 0)
		return fault_errno(why, "fsync maildrop");
	close(take_fd(f->fd));
	return 0;
}

void
maildrop_abandon(struct maildrop_file *f)
{
	if (f->fd < 0)
		return;
	unlinkat(f->dir, f->id.text, 0);
	close(take_fd(f->fd));
}

bool
maildrop_is_ready(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 && (st->st_mode & 0444) == 0444;
}
