/* SPDX-License-Identifier: ISC */
/*
 * uidlist.c - dovecot-uidlist: reading
 */
#include "store/uidlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/small_file.h"

enum { UIDLIST_LARGEST = 1 << 30 };

void
uidlist_init(struct uidlist *l)
{
	*l = (struct uidlist){.next = 1, .other = SPAN_NONE, .arena = arena_new(),
		.by_base = strmap_new_borrowing(), .pin = -1};
}

void
uidlist_free(struct uidlist *l)
{
	arena_free(l->arena);
	strmap_free(l->by_base, NULL);
	free(l->records);
	text_free(&l->bytes);
	if (l->arena && l->pin >= 0)
		close(l->pin);
	*l = (struct uidlist){.pin = -1};
}

/* A list that was rewritten twice often has the inode that it had before, and its tail would be
 * read as if it were the tail of the old one: hence the descriptor. */
void
uidlist_pin(struct uidlist *l, int dir, const struct stat *st)
{
	struct stat now;

	if (l->pin >= 0 && st->st_ino == l->seen.st_ino && st->st_dev == l->seen.st_dev) {
		l->seen = *st;
		return;
	}
	if (l->pin >= 0)
		close(l->pin);
	l->seen = (struct stat){0};
	l->pin = file_open_beneath(dir, UIDLIST_FILE, O_RDONLY | O_NONBLOCK, 0, NULL);
	if (l->pin >= 0 && fstat(l->pin, &now) == 0 && now.st_ino == st->st_ino && now.st_dev == st->st_dev)
		l->seen = *st; /* else it is read anew next time */
}

static void
forget(struct uidlist *l)
{
	struct uidlist_record *records = l->records;
	size_t                 room = l->room;

	arena_free(l->arena);
	strmap_free(l->by_base, NULL);
	text_free(&l->bytes);
	if (l->pin >= 0)
		close(l->pin);
	uidlist_init(l);
	l->records = records;
	l->room = room;
}

/* Of spans that live as long as the list. */
static void
put_record(struct uidlist *l, uint32_t uid, struct span fields, struct span base)
{
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->records = mem_grow(l->records, l->room, sizeof *l->records);
	}
	l->records[l->count++] = (struct uidlist_record){uid, fields, base};
	/* a later record of a base wins: the file was expunged and came back */
	strmap_put(l->by_base, l->records[l->count - 1].base, (void *)(uintptr_t)l->count);
	if (uid >= l->next)
		l->next = uid + 1;
}

static bool
take_uid(struct span *line, uint32_t *uid)
{
	size_t   digits = 0;
	uint64_t n;

	while (digits < line->len && ascii_digit(line->at[digits]))
		digits++;
	if (!span_number(span_first(*line, digits), &n) || n == 0 || n >= UINT32_MAX)
		return false;
	*uid = (uint32_t)n;
	*line = span_from(*line, digits);
	return true;
}

/* 3: "<uid> <A-Z><value> ... :<base>"; 1: "<uid> <base>". */
static bool
parse_record(struct uidlist *l, struct span line, int version)
{
	uint32_t    uid;
	struct span fields, base;

	if (!take_uid(&line, &uid) || line.len < 2 || line.at[0] != ' ')
		return false;
	if (l->count && uid <= l->records[l->count - 1].uid)
		return false;
	line = span_from(line, 1);
	fields = line;
	if (version == 3) {
		while (line.len && line.at[0] != ':') {
			ptrdiff_t blank = span_find(line, ' ');

			if (line.at[0] < 'A' || line.at[0] > 'Z' || blank < 0)
				return false;
			line = span_from(line, (size_t)blank + 1);
		}
		if (line.len < 2)
			return false;
		fields = span_trim(span_first(fields, (size_t)(line.at - fields.at)));
		base = span_from(line, 1);
	} else {
		fields = SPAN_NONE;
		base = line;
	}
	if (span_find(base, ':') >= 0)
		base = span_first(base, (size_t)span_find(base, ':'));
	if (base.len == 0 || base.len > 255 || span_has(base, '/') || span_has(base, '\0'))
		return false;
	put_record(l, uid, fields, base);
	return true;
}

static bool
header_number(struct span value, uint32_t *out)
{
	uint64_t n;

	if (!span_number(value, &n) || n == 0 || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
parse_header_field(struct uidlist *l, struct span field, struct text *other)
{
	struct span value = span_from(field, 1);

	switch (field.at[0]) {
	case 'V':
		return header_number(value, &l->validity);
	case 'N':
		return header_number(value, &l->next);
	case 'G':
		if (value.len < sizeof l->guid) {
			memcpy(l->guid, value.at, value.len);
			l->guid[value.len] = '\0';
			return true;
		}
	}
	text_add_byte(other, ' ');
	text_add(other, field);
	return true;
}

/* The version, or 0. */
static int
parse_header(struct uidlist *l, struct span line)
{
	autotext struct text other = {0};
	struct span          version, field;

	if (!span_next(&line, " ", &version))
		return 0;
	if (span_is(version, "1")) {
		l->foreign = true; /* written back as version 3 */
		return span_next(&line, " ", &field) && header_number(field, &l->validity)
			&& span_next(&line, " ", &field) && header_number(field, &l->next) ? 1 : 0;
	}
	if (!span_is(version, "3"))
		return 0;
	while (span_next(&line, " ", &field))
		if (!parse_header_field(l, field, &other))
			return 0;
	l->other = arena_span(l->arena, text_span(&other));
	return l->validity ? 3 : 0;
}

/* Behind a break: no UID that was ever told may be given out again. */
static void
skip_past_lost(struct uidlist *l, struct span rest)
{
	struct span line;
	uint32_t    uid;

	while (rest.len) {
		span_split(&rest, '\n', &line);
		if (take_uid(&line, &uid) && uid >= l->next && uid - l->next < 1000000)
			l->next = uid + 1;
	}
}

static void
parse_records(struct uidlist *l, struct span text, int version)
{
	while (text.len) {
		struct span whole = text, line;

		if (!span_split(&text, '\n', &line)) {
			l->unterminated = true; /* somebody is writing it, or a crash tore it */
			return;
		}
		if (span_ends(line, "\r"))
			line.len--;
		if (!parse_record(l, line, version)) {
			l->broken = true;
			skip_past_lost(l, whole);
			return;
		}
		l->read_to += text.at - whole.at;
	}
}

void
uidlist_parse(struct span text, struct uidlist *l)
{
	struct span whole = text, line;
	int         version;

	if (!span_split(&text, '\n', &line)) {
		l->broken = whole.len > 0;
		return;
	}
	if (span_ends(line, "\r"))
		line.len--;
	version = parse_header(l, line);
	if (version == 0) {
		l->broken = true;
		l->validity = 0;
		return;
	}
	l->read_to = text.at - whole.at;
	parse_records(l, text, version);
}

static int
read_whole(struct uidlist *l, int dir, struct fault *why)
{
	struct stat  st;
	struct fault own = {0};

	forget(l);
	if (small_file_read(dir, UIDLIST_FILE, UIDLIST_LARGEST, &l->bytes, &st, &own) == 0) {
		uidlist_parse(text_span(&l->bytes), l);
		uidlist_pin(l, dir, &st);
	} else if (own.error == ENOENT) {
		if (small_file_read(dir, "courierimapuiddb", UIDLIST_LARGEST, &l->bytes, NULL, NULL) == 0) {
			uidlist_parse(text_span(&l->bytes), l);
			l->courier = true;
		}
		l->read_to = 0;
	} else {
		if (why)
			*why = own;
		return -1;
	}
	if (l->broken)
		log_warning("%s is broken behind %zu records: the good ones are kept", UIDLIST_FILE,
			l->count);
	return 0;
}

bool
uidlist_peek(struct uidlist *l, int dir)
{
	autoclose int fd = file_open_beneath(dir, UIDLIST_FILE, O_RDONLY | O_NONBLOCK, 0, NULL);
	char          bytes[1024];
	struct stat   st;
	ssize_t       n;
	struct span   text, line;

	forget(l);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (n = pread(fd, bytes, sizeof bytes, 0)) <= 0)
		return false;
	text = span_at(bytes, (size_t)n);
	if (span_split(&text, '\n', &line) && parse_header(l, line) == 3 && l->guid[0]) {
		uidlist_pin(l, dir, &st);
		l->unread = true;
		if (l->seen.st_ino)
			return true;
	}
	forget(l);
	return false;
}

static int
read_tail(struct uidlist *l, int dir, const struct stat *st, struct fault *why)
{
	autoclose int fd = file_open_beneath(dir, UIDLIST_FILE, O_RDONLY | O_NONBLOCK, 0, why);
	size_t        more = (size_t)(st->st_size - l->read_to);
	struct stat   now;

	if (fd < 0 || fstat(fd, &now) < 0 || now.st_ino != st->st_ino)
		return read_whole(l, dir, why);
	char *tail = arena_alloc(l->arena, more);

	if (file_read_at(fd, tail, more, l->read_to, why) < 0)
		return -1;
	l->unterminated = false;
	parse_records(l, span_at(tail, more), 3);
	uidlist_pin(l, dir, st);
	return 0;
}

int
uidlist_refresh(struct uidlist *l, int dir, bool *changed, struct fault *why)
{
	struct stat st;

	if (changed)
		*changed = true;
	if (fstatat(dir, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return fault_errno(why, "stat %s", UIDLIST_FILE);
		if (l->validity == 0 || l->seen.st_ino)
			return read_whole(l, dir, why);
		if (changed)
			*changed = false;
		return 0;
	}
	if (l->validity == 0 || l->unread || st.st_ino != l->seen.st_ino || st.st_dev != l->seen.st_dev
		|| st.st_size < l->read_to || l->broken || l->foreign)
		return read_whole(l, dir, why);
	if (st.st_size > l->read_to)
		return read_tail(l, dir, &st, why);
	if (changed)
		*changed = false;
	return 0;
}

ptrdiff_t
uidlist_find(const struct uidlist *l, struct span base)
{
	return (ptrdiff_t)(uintptr_t)strmap_get(l->by_base, base) - 1;
}

int
uidlist_add(struct uidlist *l, struct span base, uint32_t *uid, struct fault *why)
{
	if (l->next >= UINT32_MAX - 1)
		return fault_set(why, FAULT_INPUT, "no more UIDs");
	if (base.len == 0 || base.len > 255 || span_has(base, '\n') || span_has(base, '\r'))
		return fault_set(why, FAULT_INPUT, "a file name that no uidlist can hold");
	*uid = l->next;
	put_record(l, *uid, SPAN_NONE, arena_span(l->arena, base));
	return 0;
}

void
uidlist_new_guid(char out[40])
{
	int64_t  now = clock_wall();
	uint32_t part[4] = {(uint32_t)(now % 1000000 * 1000), (uint32_t)(now / 1000000),
		(uint32_t)getpid(), 0};
	char     host[64] = "localhost";
	static uint32_t counter;

	gethostname(host, sizeof host - 1);
	part[0] += counter++;
	for (const char *c = host; *c; c++)
		part[3] = part[3] * 31 + (unsigned char)*c;
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", part[i / 4] >> 8 * (i % 4) & 0xff);
}
