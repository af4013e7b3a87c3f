/* SPDX-License-Identifier: ISC */
/*
 * do_list.c - LIST and LSUB with wildcards (RFC 3501, 6.3.8 and 6.3.9; RFC 3348, RFC 6154)
 *
 * Names are told as mailboxes, as parents that do not exist themselves
 * (\Noselect), or in LSUB as parents of what is subscribed.
 */
#include <stdlib.h>

#include "imap_config.h"
#include "mail/imap_body.h"
#include "names.h"
#include "session.h"
#include "store/subscriptions.h"
#include "store/tree.h"

/*
 * '*' matches anything, '%' anything without a separator.  One row of "the
 * pattern so far matches this much of the name": no pattern is exponential.
 */
static bool
matches(struct span pattern, struct span name, char separator)
{
	autofree bool *now = mem_array(name.len + 1, sizeof *now);

	now[0] = true; /* now[i]: the pattern so far matches the first i bytes */
	for (size_t p = 0; p < pattern.len; p++) {
		char c = pattern.at[p];
		bool running = false, before = now[0];

		if (c == '*' || c == '%') {
			for (size_t i = 0; i <= name.len; i++) {
				if (i > 0 && c == '%' && name.at[i - 1] == separator)
					running = false;
				running |= now[i];
				now[i] = running;
			}
			continue;
		}
		now[0] = false;
		for (size_t i = 1; i <= name.len; i++) {
			bool here = now[i];

			now[i] = before && name.at[i - 1] == c;
			before = here;
		}
	}
	return now[name.len];
}

/* INBOX matches without case. */
static bool
matches_name(struct span pattern, struct span name)
{
	autotext struct text upper = {0};
	char                 separator = imap_config.separator[0];

	if (matches(pattern, name, separator))
		return true;
	if (!span_is(name, "INBOX"))
		return false;
	for (size_t i = 0; i < pattern.len; i++)
		text_add_byte(&upper, ascii_upper(pattern.at[i]));
	return matches(text_span(&upper), name, separator);
}

struct listing {
	struct imap_session *session;
	const char          *response;       /* "LIST" or "LSUB" */
	struct span          pattern;
	char               **names;          /* of the client, sorted; owned */
	bool                *real;           /* false: only a parent */
	size_t               count;
};

static void
add_name(struct listing *l, struct span name, bool real)
{
	for (size_t i = l->count; i-- > 0;)
		if (span_is(name, l->names[i])) {
			l->real[i] |= real;
			return;
		}
	l->names = mem_grow(l->names, l->count + 1, sizeof *l->names);
	l->real = mem_grow(l->real, l->count + 1, sizeof *l->real);
	l->names[l->count] = mem_span(name);
	l->real[l->count++] = real;
}

/* The name, and its parents that may be told although they do not exist. */
static void
add_with_parents(struct listing *l, const char *folder, bool parents)
{
	autotext struct text name = {0};
	struct span          prefix = span_of(imap_config.prefix);

	name_of_folder(folder, &name);
	for (size_t i = prefix.len; parents && i < name.len; i++)
		if (name.at[i] == imap_config.separator[0])
			add_name(l, span_first(text_span(&name), i), false);
	add_name(l, text_span(&name), true);
}

static bool
is_child_of(struct span name, struct span parent)
{
	return name.len > parent.len && memcmp(name.at, parent.at, parent.len) == 0
		&& name.at[parent.len] == imap_config.separator[0];
}

static bool
has_children(const struct listing *l, struct span name)
{
	for (size_t i = 0; i < l->count; i++)
		if (is_child_of(span_of(l->names[i]), name))
			return true;
	return false;
}

/* RFC 6154: plain LIST may tell it. */
static void
add_special_use(struct span name, struct text *out)
{
	struct span uses = span_of(imap_config.special_use), use;

	while (span_next(&uses, " \t", &use)) {
		ptrdiff_t at = span_find_last(use, '=');

		if (at > 0 && span_equal(span_first(use, (size_t)at), name)) {
			text_add_byte(out, ' ');
			text_add(out, span_from(use, (size_t)at + 1));
		}
	}
}

static void
tell_names(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct span  name = span_of(l->names[i]);
		struct text *out = &l->session->out;

		if (!matches_name(l->pattern, name))
			continue;
		text_add_format(out, "* %s (", l->response);
		if (strcmp(l->response, "LSUB") == 0)
			text_add_string(out, l->real[i] ? "" : "\\Noselect");
		else
			text_add_format(out, "%s\\Has%sChildren", l->real[i] ? "" : "\\Noselect ",
				has_children(l, name) ? "" : "No");
		if (strcmp(l->response, "LIST") == 0 && l->real[i])
			add_special_use(name, out);
		text_add_string(out, ") ");
		imap_add_string(span_of(imap_config.separator), out);
		text_add_byte(out, ' ');
		name_add(name, out);
		imap_say(l->session, "%s", "");
	}
}

static int
collect_list(struct listing *l)
{
	struct tree t;

	if (tree_list(l->session->maildir, &t, &l->session->why) < 0)
		return -1;
	add_name(l, SPAN("INBOX"), true);
	for (size_t i = 0; i < t.count; i++)
		add_with_parents(l, t.names[i], true);
	tree_free(&t);
	return 0;
}

/* A parent is told in LSUB only where '%' stops short of what is subscribed below it. */
static int
collect_lsub(struct listing *l)
{
	struct subscriptions subscribed;
	bool                 parents = span_has(l->pattern, '%');

	if (subscriptions_read(l->session->maildir, &subscribed, &l->session->why) < 0)
		return -1;
	for (size_t i = 0; i < subscribed.count; i++) {
		bool inbox = span_is_nocase(span_of(subscribed.names[i]), "INBOX");

		add_with_parents(l, inbox ? "" : subscribed.names[i], parents);
	}
	subscriptions_free(&subscribed);
	return 0;
}

static void
tell_root(struct imap_session *s, const char *response)
{
	text_add_format(&s->out, "* %s (\\Noselect) ", response);
	imap_add_string(span_of(imap_config.separator), &s->out);
	imap_say(s, " \"\"");
}

static void
list(struct imap_session *s, const char *response, int (*collect)(struct listing *))
{
	const struct argument *reference = s->command.arguments, *pattern = reference->next;
	autotext struct text   full = {0};
	struct listing         l = {.session = s, .response = response};
	int                    result;

	if (!argument_is_astring(reference) || !argument_is_astring(pattern)) {
		imap_bad_arguments(s);
		return;
	}
	if (pattern->text.len == 0) {
		tell_root(s, response);
		imap_finish(s, "OK %s completed.", response);
		return;
	}
	text_add(&full, reference->text);
	text_add(&full, pattern->text);
	l.pattern = span_first(text_span(&full), 1000);
	result = collect(&l);
	if (result == 0)
		tell_names(&l);
	for (size_t i = 0; i < l.count; i++)
		free(l.names[i]);
	free(l.names);
	free(l.real);
	if (result < 0)
		imap_finish_fault(s, "List failed");
	else
		imap_finish_synced(s, "OK %s completed.", response);
}

void
do_list(struct imap_session *s)
{
	list(s, "LIST", collect_list);
}

void
do_lsub(struct imap_session *s)
{
	list(s, "LSUB", collect_lsub);
}
