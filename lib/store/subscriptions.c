/* SPDX-License-Identifier: ISC */
/*
 * subscriptions.c - the list of subscribed mailboxes
 */
#include "store/subscriptions.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/dotlock.h"
#include "store/small_file.h"

#define NAME "subscriptions"

enum { STALE_SECONDS = 30, WAIT_MS = 30000, LARGEST = 16 << 20 };

static void
add_name(struct subscriptions *s, struct span name)
{
	s->names = mem_grow(s->names, s->count + 1, sizeof *s->names);
	s->names[s->count++] = mem_span(name);
}

/* Version 2: TAB between levels, \x01 before an escaped byte (kept as it is). */
static void
add_levels(struct subscriptions *s, struct span line)
{
	autofree char *name = mem_span(line);

	for (char *c = name; *c; c++)
		if (*c == '\t')
			*c = '.';
	add_name(s, span_of(name));
}

void
subscriptions_parse(struct span text, struct subscriptions *s)
{
	struct span line;
	bool        first = true;

	s->version = 1;
	while (text.len) {
		span_split(&text, '\n', &line);
		if (span_ends(line, "\r"))
			line.len--;
		if (first && span_is(line, "V\t2")) {
			s->version = 2;
		} else if (line.len && !span_has(line, '\0')) {
			if (s->version == 2)
				add_levels(s, line);
			else
				add_name(s, line);
		}
		first = false;
	}
}

void
subscriptions_format(const struct subscriptions *s, struct text *out)
{
	if (s->version == 2)
		text_add_string(out, "V\t2\n\n");
	for (size_t i = 0; i < s->count; i++) {
		size_t start = out->len;

		text_add_string(out, s->names[i]);
		for (size_t at = start; s->version == 2 && at < out->len; at++)
			if (out->at[at] == '.')
				out->at[at] = '\t';
		text_add_byte(out, '\n');
	}
}

void
subscriptions_free(struct subscriptions *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->names[i]);
	free(s->names);
	*s = (struct subscriptions){0};
}

static void
read_courier(struct maildir *m, struct subscriptions *s)
{
	autotext struct text text = {0};
	struct span          rest, line;

	if (small_file_read(maildir_root(m), "courierimapsubscribed", LARGEST, &text, NULL, NULL) < 0)
		return;
	rest = text_span(&text);
	while (rest.len) {
		span_split(&rest, '\n', &line);
		if (span_starts(line, "INBOX."))
			line = span_from(line, 6);
		if (line.len && !span_has(line, '\0'))
			add_name(s, line);
	}
}

int
subscriptions_read(struct maildir *m, struct subscriptions *out, struct fault *why)
{
	autotext struct text text = {0};
	struct fault         own = {0};
	struct subscriptions s = {0};

	if (small_file_read(maildir_root(m), NAME, LARGEST, &text, NULL, &own) == 0) {
		subscriptions_parse(text_span(&text), &s);
	} else if (own.error == ENOENT) {
		read_courier(m, &s);
	} else {
		if (why)
			*why = own;
		return -1;
	}
	*out = s;
	return 0;
}

bool
subscriptions_has(const struct subscriptions *s, struct span name)
{
	for (size_t i = 0; i < s->count; i++)
		if (span_is(name, s->names[i]))
			return true;
	return false;
}

static void
take_off(struct subscriptions *s, struct span name)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (span_is(name, s->names[i]))
			free(s->names[i]);
		else
			s->names[kept++] = s->names[i];
	}
	s->count = kept;
}

int
subscriptions_change(struct maildir *m, struct span name, bool add, bool *found, struct fault *why)
{
	struct dotlock       lock = {0};
	struct subscriptions s = {0};
	autotext struct text text = {0};
	int                  root = maildir_root(m), result = 0;

	if (dotlock_take(root, NAME, STALE_SECONDS, clock_after(WAIT_MS), &lock, why) < 0)
		return -1;
	result = subscriptions_read(m, &s, why);
	if (result == 0) {
		*found = subscriptions_has(&s, name);
		if (*found != add) {
			if (s.version == 0)
				s.version = 2;
			if (add)
				add_name(&s, name);
			else
				take_off(&s, name);
			subscriptions_format(&s, &text);
			result = small_file_replace(root, NAME, NAME ".tmp", text_span(&text), 0, why);
		}
	}
	dotlock_release(&lock);
	subscriptions_free(&s);
	return result;
}
