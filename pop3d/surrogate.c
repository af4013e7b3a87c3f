/* SPDX-License-Identifier: ISC */
/*
 * surrogate.c - messages for clients that did not say UTF8, and how large they are
 */
#include "surrogate.h"

#include <stdlib.h>
#include <unistd.h>

#include "mail/charset.h"
#include "mail/downgrade.h"

enum { READ_PART = 65536 };

/* ------------------------------------------------------------ bytes */

void
content_start(struct content *c, int fd, bool surrogate)
{
	*c = (struct content){.fd = fd};
	if (surrogate)
		c->stream = downgrade_start(&c->changed);
}

int
content_next(struct content *c, struct span *out, struct fault *why)
{
	ssize_t n;

	while (!c->over) {
		n = read(c->fd, text_room(&c->part, READ_PART), READ_PART);
		if (n < 0)
			return fault_errno(why, "read");
		c->over = n == 0;
		*out = span_at(c->part.at, (size_t)n);
		if (c->stream) {
			text_clear(&c->made);
			mime_stream_feed(c->stream, *out, &c->made);
			if (c->over)
				mime_stream_end(c->stream, &c->made);
			*out = text_span(&c->made);
		}
		if (out->len)
			return 1;
	}
	return 0;
}

void
content_free(struct content *c)
{
	mime_stream_free(c->stream);
	text_free(&c->part);
	text_free(&c->made);
}

/* ------------------------------------------------------------ sizes */

/* 1: it has a byte above 127, somewhere. */
static int
has_eight_bits(int fd, struct fault *why)
{
	struct content c;
	struct span    part;
	int            got;
	bool           ascii = true;

	content_start(&c, fd, false);
	while (ascii && (got = content_next(&c, &part, why)) == 1)
		ascii = span_is_ascii(part);
	content_free(&c);
	return !ascii ? 1 : got;
}

/* Whether the headers are why; then with the line end that the last line may lack. */
static int
measure_whole(int fd, bool *is_one, uint64_t *size, struct fault *why)
{
	struct content c;
	struct span    part;
	uint64_t       sum = 0;
	int            got;
	bool           open = false;

	content_start(&c, fd, true);
	while ((got = content_next(&c, &part, why)) == 1) {
		sum += part.len;
		open = !span_ends(part, "\n");
	}
	*is_one = c.changed;
	*size = sum + (open ? 2 : 0);
	content_free(&c);
	return got;
}

int
surrogate_measure(int fd, bool *is_one, uint64_t *size, struct fault *why)
{
	uint64_t octets = 0;
	bool     changed = false;
	int      got = has_eight_bits(fd, why);

	if (got == 1)
		got = lseek(fd, 0, SEEK_SET) < 0 ? fault_errno(why, "lseek") : measure_whole(fd, &changed, &octets, why);
	if (got < 0 || (lseek(fd, 0, SEEK_SET) < 0 && fault_errno(why, "lseek")))
		return -1;
	*is_one = changed;
	if (changed)
		*size = octets;
	return 0;
}

/* ------------------------------------------------------------ the cache */

/* Whoever changes what a surrogate is gives it another letter. */
#define SURROGATE_FORM "a"

void
surrogates_add(struct surrogates *s, uint32_t uid, uint64_t size)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 16;
		s->sizes = mem_grow(s->sizes, s->room, sizeof *s->sizes);
	}
	s->sizes[s->count++] = (struct surrogate_size){uid, size};
}

static bool
take_number(struct span *line, uint64_t most, uint64_t *n)
{
	struct span word;

	return span_next(line, " ", &word) && span_number(word, n) && *n <= most;
}

/* "a UIDVALIDITY UID" and lines of "UID SIZE". */
bool
surrogates_parse(struct span bytes, uint32_t validity, struct surrogates *out)
{
	struct surrogates s = {0};
	struct span       line, word;
	uint64_t          uid, size, last = 0;

	*out = s;
	if (!span_ends(bytes, "\n") || !span_split(&bytes, '\n', &line) || !span_next(&line, " ", &word) || !span_is(word, SURROGATE_FORM)
		|| !take_number(&line, UINT32_MAX, &uid) || uid != validity || !take_number(&line, UINT32_MAX, &uid) || line.len)
		return false;
	s.looked_to = (uint32_t)uid;
	while (span_split(&bytes, '\n', &line) && line.len) {
		if (!take_number(&line, s.looked_to, &uid) || uid <= last || !take_number(&line, UINT64_MAX, &size) || line.len) {
			surrogates_free(&s);
			return false;
		}
		surrogates_add(&s, (uint32_t)uid, size);
		last = uid;
	}
	*out = s;
	return true;
}

void
surrogates_print(const struct surrogates *s, uint32_t validity, struct text *out)
{
	text_add_format(out, SURROGATE_FORM " %lu %lu\n", (unsigned long)validity, (unsigned long)s->looked_to);
	for (size_t i = 0; i < s->count; i++)
		text_add_format(out, "%lu %llu\n", (unsigned long)s->sizes[i].uid, (unsigned long long)s->sizes[i].size);
}

static int
by_uid(const void *key, const void *at)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct surrogate_size *)at)->uid;

	return (a > b) - (a < b);
}

const struct surrogate_size *
surrogates_find(const struct surrogates *s, uint32_t uid)
{
	return s->count ? bsearch(&uid, s->sizes, s->count, sizeof *s->sizes, by_uid) : NULL;
}

void
surrogates_free(struct surrogates *s)
{
	free(s->sizes);
	*s = (struct surrogates){0};
}
