/* SPDX-License-Identifier: ISC */
/*
 * surrogate.c - messages for clients that did not say UTF8, and how large they are; what was found is kept
 */
#include "surrogate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "mail/charset.h"
#include "mail/downgrade.h"
#include "mail/line.h"

/* ------------------------------------------------------------ bytes */

void
content_start(struct content *c, const struct source *of, bool surrogate)
{
	*c = (struct content){.of = of};
	if (surrogate)
		c->stream = downgrade_start(&c->changed);
}

/* What was read already, then from the file. Empty: that was all. */
static int
next_part(struct content *c, struct span *out, struct fault *why)
{
	const struct source *s = c->of;
	ssize_t              n;

	*out = SPAN_NONE;
	if (c->at < s->first.len) {
		*out = span_from(text_span(&s->first), (size_t)c->at);
	} else if (c->at < s->size) {
		n = pread(s->fd, text_room(&c->part, SOURCE_FIRST), SOURCE_FIRST, (off_t)c->at);
		if (n < 0)
			return fault_errno(why, "read");
		if (n == 0)
			return fault_set(why, FAULT_INPUT, "the message became shorter while it was read");
		*out = span_at(c->part.at, (size_t)n);
	}
	c->at += out->len;
	return 0;
}

int
content_next(struct content *c, struct span *out, struct fault *why)
{
	while (!c->over) {
		if (next_part(c, out, why) < 0)
			return -1;
		c->over = !out->len;
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

/* Of its own bytes, at most once through them: what a client gets that takes them as they are. */
struct own {
	bool     ascii;
	char     last;
	uint64_t crlf;                  /* octets with CRLF, without a line end that is not there */
};

static int
look_through(const struct source *s, bool wants_ascii, bool wants_size, struct own *own, struct fault *why)
{
	struct content c;
	struct span    part;
	int            got;

	content_start(&c, s, false);
	while ((got = content_next(&c, &part, why)) == 1) {
		own->ascii = own->ascii && (!wants_ascii || span_is_ascii(part));
		if (wants_size) {
			own->crlf += line_crlf_size(part) - (part.at[0] == '\n' && own->last == '\r');
		} else if (!own->ascii) {
			break;
		}
		own->last = part.at[part.len - 1];
	}
	content_free(&c);
	return got < 0 ? -1 : 0;
}

/* Whether the headers are why; then with the line end that the last line may lack. */
static int
measure_whole(const struct source *s, bool *is_one, uint64_t *size, struct fault *why)
{
	struct content c;
	struct span    part;
	uint64_t       sum = 0;
	int            got;
	bool           open = false;

	content_start(&c, s, true);
	while ((got = content_next(&c, &part, why)) == 1) {
		sum += part.len;
		open = !span_ends(part, "\n");
	}
	*is_one = c.changed;
	*size = sum + (open ? 2 : 0);
	content_free(&c);
	return got;
}

static int
last_byte(const struct source *s, char *last, struct fault *why)
{
	ssize_t n = 1;

	*last = '\n';
	if (s->size && s->size <= s->first.len)
		*last = s->first.at[s->size - 1];
	else if (s->size)
		n = pread(s->fd, last, 1, (off_t)s->size - 1);
	return n < 0 ? fault_errno(why, "read") : 0;
}

int
surrogate_look(const struct source *s, bool ascii, bool sized, struct looked *out, struct fault *why)
{
	struct looked found = {.form = ascii ? FORM_OWN : FORM_UNKNOWN};
	struct own    own = {.ascii = true};
	uint64_t      octets = 0;
	char          last;
	bool          changed = false;

	if ((ascii || !sized) && look_through(s, ascii, !sized, &own, why) < 0)
		return -1;
	if ((!own.ascii && measure_whole(s, &changed, &octets, why) < 0) || last_byte(s, &last, why) < 0)
		return -1;
	found.open = last != '\n';
	if (changed)
		found.form = FORM_SURROGATE;
	found.size = changed ? octets : sized ? 0 : own.crlf + (found.open ? 2 : 0);
	*out = found;
	return 0;
}

/* ------------------------------------------------------------ the cache */

/* Whoever changes what a surrogate is, or this file, gives it another letter. */
#define SURROGATE_FORM "e"
#define FORM_LETTERS   "eos"       /* end only, own, surrogate */

static struct looked_run *
new_run(struct surrogates *s)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 16;
		s->runs = mem_grow(s->runs, s->room, sizeof *s->runs);
	}
	return &s->runs[s->count++];
}

void
surrogates_add(struct surrogates *s, uint32_t uid, const struct looked *found)
{
	struct looked_run *last = s->count ? &s->runs[s->count - 1] : NULL;

	if (last && last->last + 1 == uid && last->found.form == found->form && last->found.open == found->open
		&& last->found.size == found->size)
		last->last = uid;
	else
		*new_run(s) = (struct looked_run){uid, uid, *found};
}

static bool
take_number(struct span *line, uint64_t most, uint64_t *n)
{
	struct span word;

	return span_next(line, " ", &word) && span_number(word, n) && *n <= most;
}

/* "FIRST LAST FORM", with a + when it lacks its last line end, and what else there is of the size: always, of a surrogate. */
static bool
take_run(struct span line, uint32_t before, struct looked_run *out)
{
	uint64_t    first, last, size = 0;
	struct span form;
	const char *letter;

	if (!take_number(&line, UINT32_MAX, &first) || first <= before || !take_number(&line, UINT32_MAX, &last) || last < first
		|| !span_next(&line, " ", &form) || form.len > 2 || (form.len == 2 && form.at[1] != '+')
		|| !(letter = memchr(FORM_LETTERS, form.at[0], sizeof FORM_LETTERS - 1)))
		return false;
	*out = (struct looked_run){(uint32_t)first, (uint32_t)last,
		{.form = (enum drop_form)(letter - FORM_LETTERS), .open = form.len == 2}};
	if ((line.len || out->found.form == FORM_SURROGATE) && (!take_number(&line, UINT64_MAX, &size) || !size))
		return false;
	out->found.size = size;
	return !line.len;
}

static uint32_t
sum_of(struct span s)
{
	return (uint32_t)crc32(0, (const Bytef *)s.at, (uInt)s.len);
}

/* "e UIDVALIDITY SUM", and lines of runs, of which SUM is. */
bool
surrogates_parse(struct span bytes, uint32_t validity, struct surrogates *out)
{
	struct surrogates s = {0};
	struct span       line, word;
	uint64_t          n, sum;
	uint32_t          last = 0;

	*out = s;
	if (!span_split(&bytes, '\n', &line) || !span_next(&line, " ", &word) || !span_is(word, SURROGATE_FORM)
		|| !take_number(&line, UINT32_MAX, &n) || n != validity || !take_number(&line, UINT32_MAX, &sum) || line.len
		|| sum != sum_of(bytes) || (bytes.len && !span_ends(bytes, "\n")))
		return false;
	while (span_split(&bytes, '\n', &line) && (line.len || bytes.len)) {
		struct looked_run run;

		if (!take_run(line, last, &run)) {
			surrogates_free(&s);
			return false;
		}
		last = run.last;
		*new_run(&s) = run;
	}
	*out = s;
	return true;
}

void
surrogates_print(const struct surrogates *s, uint32_t validity, struct text *out)
{
	autotext struct text runs = {0};

	for (size_t i = 0; i < s->count; i++) {
		const struct looked_run *r = &s->runs[i];

		text_add_format(&runs, "%lu %lu %c%s", (unsigned long)r->first, (unsigned long)r->last, FORM_LETTERS[r->found.form],
			r->found.open ? "+" : "");
		if (r->found.size)
			text_add_format(&runs, " %llu", (unsigned long long)r->found.size);
		text_add_byte(&runs, '\n');
	}
	text_add_format(out, SURROGATE_FORM " %lu %lu\n", (unsigned long)validity, (unsigned long)sum_of(text_span(&runs)));
	text_add(out, text_span(&runs));
}

static int
by_uid(const void *key, const void *at)
{
	const struct looked_run *r = at;
	uint32_t                 uid = *(const uint32_t *)key;

	return uid < r->first ? -1 : uid > r->last;
}

const struct looked *
surrogates_find(const struct surrogates *s, uint32_t uid)
{
	const struct looked_run *r = s->count ? bsearch(&uid, s->runs, s->count, sizeof *s->runs, by_uid) : NULL;

	return r ? &r->found : NULL;
}

void
surrogates_free(struct surrogates *s)
{
	free(s->runs);
	*s = (struct surrogates){0};
}
