/* SPDX-License-Identifier: ISC */
/*
 * do_list.c - LIST and LSUB (RFC 3501, 6.3.8 and 6.3.9; RFC 3348, 5258, 5819, 6154, 9590)
 *
 * Names are told as mailboxes, as parents that do not exist themselves
 * (\Noselect, \NonExistent), or in LSUB as parents of what is subscribed.
 */
#include <stdlib.h>

#include "acl.h"
#include "imap_config.h"
#include "metadata.h"
#include "names.h"
#include "store/mutf7.h"
#include "status.h"
#include "store/subscriptions.h"
#include "store/tree.h"
#include "base/strmap.h"

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

struct listed {
	char *name;                          /* of the client; owned */
	char *folder;                        /* owned */
	bool  real;                          /* false: only a parent, or only subscribed */
	bool  subscribed;
};

struct listing {
	struct imap_session   *session;
	struct span           *patterns;
	size_t                 pattern_count;
	struct listed         *at;           /* owned */
	size_t                 count;
	struct strmap         *by_name;      /* index + 1 */
	struct attributes      attributes;
	/* RFC 5258, 3: what is chosen, and what is told of it */
	bool                   extended, only_subscribed, recursive, only_special;
	bool                   tell_subscribed, tell_special, tell_rights;
	unsigned               status;
	const struct argument *metadata;
};

static struct listed *
add_name(struct listing *l, struct span name, const char *folder, bool real)
{
	size_t at = (size_t)(uintptr_t)strmap_get(l->by_name, name);

	if (at == 0) {
		l->at = mem_grow(l->at, l->count + 1, sizeof *l->at);
		l->at[l->count++] = (struct listed){.name = mem_span(name), .folder = mem_string(folder)};
		strmap_put(l->by_name, name, (void *)(uintptr_t)l->count);
		at = l->count;
	}
	l->at[at - 1].real |= real;
	return &l->at[at - 1];
}

/* The name, and its parents that may be told although they do not exist. */
static struct listed *
add_with_parents(struct listing *l, const char *folder, bool parents, bool real)
{
	autotext struct text name = {0};
	struct span          prefix = span_of(imap_config.prefix);

	name_of_folder(folder, &name);
	for (size_t i = prefix.len; parents && i < name.len; i++)
		if (name.at[i] == imap_config.separator[0])
			add_name(l, span_first(text_span(&name), i), "", false);
	return add_name(l, text_span(&name), folder, real);
}

static bool
is_child_of(struct span name, struct span parent)
{
	return name.len > parent.len && memcmp(name.at, parent.at, parent.len) == 0
		&& name.at[parent.len] == imap_config.separator[0];
}

static bool
has_children(const struct listing *l, struct span name, bool subscribed)
{
	for (size_t i = 0; i < l->count; i++)
		if (is_child_of(span_of(l->at[i].name), name) && (!subscribed || l->at[i].subscribed))
			return true;
	return false;
}

static bool
is_asked(const struct listing *l, struct span name)
{
	for (size_t i = 0; i < l->pattern_count; i++)
		if (matches_name(l->patterns[i], name))
			return true;
	return false;
}

static void
add_word(const char *word, bool *any, struct text *out)
{
	text_add_format(out, "%s%s", *any ? " " : "", word);
	*any = true;
}

static void
tell_name(struct listing *l, const struct listed *x, bool with_children_subscribed)
{
	struct text *out = &l->session->out;
	struct span  name = span_of(x->name), use = SPAN_NONE;
	bool         any = false;

	if (x->real)
		use = special_use_of(l->session, &l->attributes, x->folder, name);
	if (l->only_special && !use.len)
		return;
	text_add_string(out, "* LIST (");
	if (!x->real)
		add_word(l->extended || l->session->manner.rev2 ? "\\NonExistent" : "\\Noselect", &any, out);
	if (x->subscribed && (l->tell_subscribed || l->only_subscribed))
		add_word("\\Subscribed", &any, out);
	add_word(has_children(l, name, false) ? "\\HasChildren" : "\\HasNoChildren", &any, out);
	if (use.len) {
		text_add_byte(out, ' ');
		text_add(out, use);
	}
	text_add_string(out, ") ");
	name_add_separator(out);
	text_add_byte(out, ' ');
	name_tell(l->session, name, out);
	if (with_children_subscribed)
		text_add_string(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	imap_say(l->session, "%s", "");
	if (l->status && x->real && status_tell(l->session, name, x->folder, l->status) < 0)
		fault_clear(&l->session->why); /* RFC 5819, 2: it is listed all the same */
	if (l->tell_rights && x->real)
		acl_tell_mine(l->session, name, x->folder);
	if (l->metadata && x->real)
		metadata_tell(l->session, &l->attributes, name, x->folder, l->metadata);
}

static void
tell_names(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct listed *x = &l->at[i];
		bool                 below;

		if (!is_asked(l, span_of(x->name)))
			continue;
		below = l->recursive && has_children(l, span_of(x->name), true);
		if (l->only_subscribed ? x->subscribed || below : x->real || !x->subscribed)
			tell_name(l, x, below);
	}
}

static int
collect(struct listing *l)
{
	struct subscriptions subscribed;
	struct tree          t;
	struct maildir      *m = l->session->maildir;

	if (tree_list(m, &t, &l->session->why) < 0)
		return -1;
	add_name(l, SPAN("INBOX"), "", true);
	for (size_t i = 0; i < t.count; i++)
		add_with_parents(l, t.names[i], true, true);
	tree_free(&t);
	if (!l->only_subscribed && !l->tell_subscribed)
		return 0;
	if (subscriptions_read(m, &subscribed, &l->session->why) < 0)
		return -1;
	for (size_t i = 0; i < subscribed.count; i++) {
		bool inbox = span_is_nocase(span_of(subscribed.names[i]), "INBOX");

		add_with_parents(l, inbox ? "" : subscribed.names[i], l->recursive, false)->subscribed = true;
	}
	subscriptions_free(&subscribed);
	return 0;
}

static void
free_listing(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->at[i].name);
		free(l->at[i].folder);
	}
	free(l->at);
	strmap_free(l->by_name, NULL);
	attributes_free(&l->attributes);
}

static void
tell_root(struct imap_session *s, const char *response)
{
	text_add_format(&s->out, "* %s (\\Noselect) ", response);
	name_add_separator(&s->out);
	imap_say(s, " \"\"");
}

/* "(SUBSCRIBED RECURSIVEMATCH)" (RFC 5258, 3.1) */
static bool
parse_selection(const struct argument *list, struct listing *l)
{
	for (const struct argument *a = list->children; a; a = a->next) {
		if (argument_is_atom(a, "SUBSCRIBED"))
			l->only_subscribed = true;
		else if (argument_is_atom(a, "RECURSIVEMATCH"))
			l->recursive = true;
		else if (argument_is_atom(a, "SPECIAL-USE"))
			l->only_special = true;
		else if (!argument_is_atom(a, "REMOTE"))
			return false;
	}
	return !l->recursive || l->only_subscribed;
}

static bool
are_entries(const struct argument *list)
{
	if (!list || list->type != ARGUMENT_LIST || list->count == 0)
		return false;
	for (const struct argument *a = list->children; a; a = a->next)
		if (!argument_is_astring(a) || !metadata_is_entry(a->text))
			return false;
	return true;
}

/* "RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES))" (RFC 5258, 3.2; RFC 5819; RFC 9590) */
static bool
parse_return(const struct argument *a, struct listing *l)
{
	if (!a)
		return true;
	if (!argument_is_atom(a, "RETURN") || !a->next || a->next->type != ARGUMENT_LIST || a->next->next)
		return false;
	for (a = a->next->children; a; a = a->next) {
		if (argument_is_atom(a, "SUBSCRIBED")) {
			l->tell_subscribed = true;
		} else if (argument_is_atom(a, "MYRIGHTS") && acl_is_on()) { /* RFC 8440 */
			l->tell_rights = true;
		} else if (argument_is_atom(a, "SPECIAL-USE")) {
			l->tell_special = true;
		} else if (argument_is_atom(a, "STATUS") && (l->status = status_items_parse(a->next))) {
			a = a->next;
		} else if (argument_is_atom(a, "METADATA") && are_entries(a->next)) {
			l->metadata = a = a->next;
		} else if (!argument_is_atom(a, "CHILDREN")) {
			return false;
		}
	}
	return true;
}

static struct span
full_pattern(struct imap_session *s, struct span reference, struct span pattern)
{
	autotext struct text full = {0}, encoded = {0};

	text_add(&full, reference);
	text_add(&full, pattern);
	if (name_is_utf8(s) && mutf7_encode(text_span(&full), &encoded, NULL) == 0)
		return arena_span(s->arena, span_first(text_span(&encoded), 1000));
	return arena_span(s->arena, span_first(text_span(&full), 1000));
}

static bool
parse_patterns(struct listing *l, const struct argument *reference, const struct argument *a)
{
	struct imap_session *s = l->session;
	size_t               most = a->type == ARGUMENT_LIST ? a->count : 1;

	l->patterns = arena_alloc(s->arena, (most + 1) * sizeof *l->patterns);
	if (a->type != ARGUMENT_LIST) {
		l->patterns[l->pattern_count++] = full_pattern(s, reference->text, a->text);
		return true;
	}
	l->extended = true;
	for (const struct argument *p = a->children; p; p = p->next) {
		if (!argument_is_astring(p) || l->pattern_count == 100)
			return false;
		l->patterns[l->pattern_count++] = full_pattern(s, reference->text, p->text);
	}
	return l->pattern_count > 0;
}

void
do_list(struct imap_session *s)
{
	const struct argument *a = s->command.arguments, *reference;
	struct listing         l = {.session = s};
	int                    result;

	if (a->type == ARGUMENT_LIST) {
		l.extended = true;
		if (!parse_selection(a, &l)) {
			imap_bad_arguments(s);
			return;
		}
		a = a->next;
	}
	reference = a;
	a = a->next;
	if (!argument_is_astring(reference) || !a || !parse_patterns(&l, reference, a)
		|| !parse_return(a->next, &l)) {
		imap_bad_arguments(s);
		return;
	}
	l.extended |= a->next != NULL;
	if (a->type != ARGUMENT_LIST && a->text.len == 0 && !l.extended) {
		tell_root(s, "LIST");
		imap_finish(s, "OK LIST completed.");
		return;
	}
	if (l.status & STATUS_HIGHESTMODSEQ)
		imap_use_modseq(s);
	l.by_name = strmap_new();
	result = attributes_read(s->maildir, &l.attributes, &s->why);
	if (result == 0)
		result = collect(&l);
	if (result == 0)
		tell_names(&l);
	free_listing(&l);
	if (result < 0)
		imap_finish_fault(s, "List failed");
	else
		imap_finish_synced(s, "OK LIST completed.");
}

/* A parent is told in LSUB only where '%' stops short of what is subscribed below it. */
static int
collect_lsub(struct listing *l)
{
	struct subscriptions subscribed;

	if (subscriptions_read(l->session->maildir, &subscribed, &l->session->why) < 0)
		return -1;
	for (size_t i = 0; i < subscribed.count; i++) {
		bool inbox = span_is_nocase(span_of(subscribed.names[i]), "INBOX");

		add_with_parents(l, inbox ? "" : subscribed.names[i], span_has(l->patterns[0], '%'), true);
	}
	subscriptions_free(&subscribed);
	return 0;
}

void
do_lsub(struct imap_session *s)
{
	const struct argument *reference = s->command.arguments, *pattern = reference->next;
	struct listing         l = {.session = s};
	int                    result;

	if (!argument_is_astring(reference) || !argument_is_astring(pattern)) {
		imap_bad_arguments(s);
		return;
	}
	if (pattern->text.len == 0) {
		tell_root(s, "LSUB");
		imap_finish(s, "OK LSUB completed.");
		return;
	}
	parse_patterns(&l, reference, pattern);
	l.by_name = strmap_new();
	result = collect_lsub(&l);
	for (size_t i = 0; result == 0 && i < l.count; i++) {
		if (!is_asked(&l, span_of(l.at[i].name)))
			continue;
		text_add_format(&s->out, "* LSUB (%s) ", l.at[i].real ? "" : "\\Noselect");
		name_add_separator(&s->out);
		text_add_byte(&s->out, ' ');
		name_tell(s, span_of(l.at[i].name), &s->out);
		imap_say(s, "%s", "");
	}
	free_listing(&l);
	if (result < 0)
		imap_finish_fault(s, "List failed");
	else
		imap_finish_synced(s, "OK LSUB completed.");
}
