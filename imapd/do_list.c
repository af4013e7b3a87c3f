/* SPDX-License-Identifier: ISC */
/*
 * do_list.c - LIST and LSUB (RFC 3501, 6.3.8 and 6.3.9; RFC 3348, 5258, 5819, 6154, 9590)
 *
 * Names are told as mailboxes, as parents that do not exist themselves
 * (\Noselect, \NonExistent), or in LSUB as parents of what is subscribed.
 */
#include <stdlib.h>

#include "acl.h"
#include "base/log.h"
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
matches_exactly(struct span pattern, struct span name)
{
	char           separator = imap_config.separator[0];
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

bool
name_matches(struct span pattern, struct span name)
{
	autotext struct text upper = {0};

	if (matches_exactly(pattern, name))
		return true;
	if (!span_is(name, "INBOX"))
		return false;
	for (size_t i = 0; i < pattern.len; i++)
		text_add_byte(&upper, ascii_upper(pattern.at[i]));
	return matches_exactly(text_span(&upper), name);
}

struct listed {
	char *name;                          /* of the client; owned */
	struct space *in;
	char *folder;                        /* owned */
	bool  real;                          /* false: only a parent, or only subscribed */
	bool  subscribed;
	bool  has_children;                  /* that are there: a subscription is none */
	bool  selected_below, untold_below;  /* something there is selected; and not asked for itself */
	struct span use;                     /* RFC 6154; borrowed; empty: none */
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
add_name(struct listing *l, struct span name, struct space *in, const char *folder, bool real)
{
	size_t at = (size_t)(uintptr_t)strmap_get(l->by_name, name);

	if (at == 0) {
		l->at = mem_grow(l->at, l->count + 1, sizeof *l->at);
		l->at[l->count++] = (struct listed){.name = mem_span(name), .in = in, .folder = mem_string(folder)};
		strmap_put(l->by_name, name, (void *)(uintptr_t)l->count);
		at = l->count;
	}
	if (real && !l->at[at - 1].real) { /* known as a parent by now */
		free(l->at[at - 1].folder);
		l->at[at - 1].folder = mem_string(folder);
		l->at[at - 1].real = true;
	}
	return &l->at[at - 1];
}

/* The name, and its parents that may be told although they do not exist. */
static struct listed *
add_with_parents(struct listing *l, struct space *in, const char *folder, bool parents, bool real)
{
	autotext struct text name = {0};
	size_t               from = in->kind == SPACE_OWN ? strlen(imap_config.prefix) : 0;

	name_of(in, folder, &name);
	for (size_t i = from; parents && i < name.len; i++)
		if (name.at[i] == imap_config.separator[0])
			add_name(l, span_first(text_span(&name), i), in, "", false);
	return add_name(l, text_span(&name), in, folder, real);
}

/* All selection options (RFC 5258, 3). */
static bool
is_selected(const struct listing *l, const struct listed *x)
{
	return (!l->only_subscribed || x->subscribed) && (!l->only_special || x->use.len);
}

static bool
is_asked(const struct listing *l, struct span name)
{
	for (size_t i = 0; i < l->pattern_count; i++)
		if (name_matches(l->patterns[i], name))
			return true;
	return false;
}

/* Is something below it selected?  For one that is not selected itself only what is not told anyway (3.5). */
static bool
has_selected_below(const struct listing *l, const struct listed *x)
{
	return is_selected(l, x) ? x->selected_below : x->untold_below;
}

/* What each name is to those above it. */
static void
tell_parents(struct listing *l, const struct listed *x)
{
	struct span name = span_of(x->name);
	bool        selected = l->recursive && is_selected(l, x), untold = selected && !is_asked(l, name);

	if (!x->real && !selected)
		return;
	for (size_t i = 0; i < name.len; i++) {
		size_t at = name.at[i] == imap_config.separator[0] ? (size_t)(uintptr_t)strmap_get(l->by_name, span_first(name, i)) : 0;

		if (at == 0)
			continue;
		l->at[at - 1].has_children |= x->real;
		l->at[at - 1].selected_below |= selected;
		l->at[at - 1].untold_below |= untold;
	}
}

static void
add_word(const char *word, bool *any, struct text *out)
{
	text_add_format(out, "%s%s", *any ? " " : "", word);
	*any = true;
}

/* RFC 5819, 2: what cannot be told leaves it listed all the same. */
static void
tell_more(struct listing *l, const struct listed *x, bool readable)
{
	struct imap_session *s = l->session;
	struct span          name = span_of(x->name);

	if (l->status && readable && status_tell(s, name, x->in, x->folder, l->status) < 0)
		fault_clear(&s->why);
	if (l->tell_rights)
		acl_tell_mine(s, name, x->in, x->folder);
	if (l->metadata && acl_may_annotate(s, x->in, x->folder))
		metadata_tell(s, &l->attributes, name, x->in, x->folder, l->metadata);
}

static void
tell_name(struct listing *l, const struct listed *x, bool selected_below)
{
	struct text *out = &l->session->out;
	struct span  name = span_of(x->name);
	bool         any = false, readable = x->real && l->status && acl_rights_of(l->session, x->in, x->folder) & ACL_READ;

	text_add_string(out, "* LIST (");
	if (!x->real)
		add_word(l->extended || l->session->manner.rev2 ? "\\NonExistent" : "\\Noselect", &any, out);
	else if (l->status && !readable)
		add_word("\\Noselect", &any, out); /* RFC 5819, 2 */
	if (x->subscribed && (l->tell_subscribed || l->only_subscribed))
		add_word("\\Subscribed", &any, out);
	add_word(x->has_children ? "\\HasChildren" : "\\HasNoChildren", &any, out);
	if (x->use.len) {
		text_add_byte(out, ' ');
		text_add(out, x->use);
	}
	text_add_string(out, ") ");
	name_add_separator(out);
	text_add_byte(out, ' ');
	name_tell(l->session, name, out);
	if (selected_below)
		text_add_format(out, " (\"CHILDINFO\" (%s))", !l->only_special ? "\"SUBSCRIBED\""
			: l->only_subscribed ? "\"SUBSCRIBED\" \"SPECIAL-USE\"" : "\"SPECIAL-USE\"");
	imap_say(l->session, "%s", "");
	if (x->real)
		tell_more(l, x, readable);
}

static void
tell_names(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->at[i].real && l->at[i].in->kind == SPACE_OWN
			&& (is_asked(l, span_of(l->at[i].name)) || (l->recursive && l->only_special)))
			l->at[i].use = special_use_of(l->session, &l->attributes, l->at[i].folder, span_of(l->at[i].name));
	for (size_t i = 0; i < l->count; i++)
		tell_parents(l, &l->at[i]);
	for (size_t i = 0; i < l->count; i++) {
		const struct listed *x = &l->at[i];
		bool                 below;

		if (!is_asked(l, span_of(x->name)))
			continue;
		below = l->recursive && has_selected_below(l, x);
		if (l->only_subscribed || l->only_special ? below || is_selected(l, x) : x->real || !x->subscribed)
			tell_name(l, x, below);
	}
}

/* Could a pattern mean anything below the prefix, or a part of it?  As far as it has no wildcards. */
static bool
is_asked_below(const struct listing *l, struct span prefix)
{
	for (size_t i = 0; i < l->pattern_count; i++) {
		struct span p = l->patterns[i];
		ptrdiff_t   wild = span_find_any(p, "*%");
		size_t      len = wild < 0 ? p.len : (size_t)wild;

		len = len < prefix.len ? len : prefix.len;
		if (memcmp(p.at, prefix.at, len) == 0 && (wild >= 0 || p.len + 1 >= prefix.len))
			return true;
	}
	return false;
}

/* What of another's mailboxes may be seen. */
static void
collect_space(struct listing *l, struct space *in)
{
	struct tree  t;
	struct fault why = {0};

	if (!is_asked_below(l, span_of(in->prefix)))
		return;
	if (tree_list(in->maildir, &t, &why) < 0) {
		log_warning("imap(%s): %s: %s", l->session->user->name, in->prefix, fault_text(&why));
		return;
	}
	if (imap_exists(l->session, in, ""))
		add_with_parents(l, in, "", true, true);
	for (size_t i = 0; i < t.count; i++)
		if (imap_exists(l->session, in, t.names[i]))
			add_with_parents(l, in, t.names[i], true, true);
	tree_free(&t);
}

/* Of another's: only while it may be seen (RFC 4314, 4). */
static struct listed *
add_subscribed(struct listing *l, struct span name, bool parents, bool real)
{
	struct imap_session *s = l->session;
	autofree char       *folder = NULL;
	struct space        *in;

	if (!name_is_foreign(name)) {
		folder = mem_span(name);
		return add_with_parents(l, &s->mine, span_is_nocase(name, "INBOX") ? "" : folder, parents, real);
	}
	return name_find_stored(s, name, &in, &folder, NULL) == 0 && imap_exists(s, in, folder)
		? add_with_parents(l, in, folder, parents, real) : NULL;
}

static int
collect(struct listing *l)
{
	struct imap_session *s = l->session;
	struct subscriptions subscribed;
	struct tree          t;

	if (tree_list(s->maildir, &t, &s->why) < 0)
		return -1;
	add_name(l, SPAN("INBOX"), &s->mine, "", true);
	for (size_t i = 0; i < t.count; i++)
		add_with_parents(l, &s->mine, t.names[i], true, true);
	tree_free(&t);
	for (size_t i = 0; s->spaces && i < s->spaces->count; i++)
		collect_space(l, &s->spaces->at[i]);
	if (!l->only_subscribed && !l->tell_subscribed)
		return 0;
	if (subscriptions_read(s->maildir, &subscribed, &s->why) < 0)
		return -1;
	for (size_t i = 0; i < subscribed.count; i++) {
		struct listed *x = add_subscribed(l, span_of(subscribed.names[i]), l->recursive, false);

		if (x)
			x->subscribed = true;
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
	return !l->recursive || l->only_subscribed || l->only_special;
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
	for (size_t i = 0; i < subscribed.count; i++)
		add_subscribed(l, span_of(subscribed.names[i]), span_has(l->patterns[0], '%'), true);
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
