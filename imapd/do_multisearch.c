/* SPDX-License-Identifier: ISC */
/*
 * do_multisearch.c - ESEARCH over several mailboxes (RFC 7377)
 *
 *   ESEARCH [IN (source ...)] [RETURN (...)] [CHARSET x] program
 *
 * Results are UIDs, one response a mailbox that has any.
 */
#include <stdlib.h>

#include "base/strmap.h"
#include "imap_config.h"
#include "mail/imap_body.h"
#include "names.h"
#include "search_run.h"
#include "store/subscriptions.h"
#include "store/tree.h"

struct sources {
	struct imap_session *session;
	struct tree          tree;
	char               **folders;      /* owned storage names, each once */
	size_t               count;
	struct strmap       *seen;
};

static void
add_folder(struct sources *x, const char *folder)
{
	struct span key = *folder ? span_of(folder) : SPAN("\1");

	if (strmap_get(x->seen, key))
		return;
	strmap_put(x->seen, key, x);
	x->folders = mem_grow(x->folders, x->count + 1, sizeof *x->folders);
	x->folders[x->count++] = mem_string(folder);
}

static void
add_all(struct sources *x)
{
	add_folder(x, "");
	for (size_t i = 0; i < x->tree.count; i++)
		add_folder(x, x->tree.names[i]);
}

static int
add_subscribed(struct sources *x)
{
	struct subscriptions s;

	if (subscriptions_read(x->session->maildir, &s, &x->session->why) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++) {
		if (span_is_nocase(span_of(s.names[i]), "INBOX"))
			add_folder(x, "");
		else if (tree_exists(x->session->maildir, s.names[i]))
			add_folder(x, s.names[i]);
	}
	subscriptions_free(&s);
	return 0;
}

/* The mailbox and what lies below it; `deep` false: only one level. */
static void
add_subtree(struct sources *x, const char *folder, bool deep)
{
	size_t len = strlen(folder);

	if (!*folder || tree_exists(x->session->maildir, folder))
		add_folder(x, folder);
	for (size_t i = 0; i < x->tree.count; i++) {
		const char *name = x->tree.names[i];

		if (strncmp(name, folder, len) == 0 && name[len] == '.' && len > 0
			&& (deep || !strchr(name + len + 1, '.')))
			add_folder(x, name);
	}
}

/* One name or a list of them. */
static int
add_named(struct sources *x, const struct argument *a, bool subtree, bool deep)
{
	const struct argument *first = a->type == ARGUMENT_LIST ? a->children : a;

	for (const struct argument *n = first; n; n = a->type == ARGUMENT_LIST ? n->next : NULL) {
		autofree char *folder = NULL;

		if (!argument_is_astring(n) || name_to_folder(x->session, n->text, &folder, NULL) < 0)
			return -1;
		if (subtree)
			add_subtree(x, folder, deep);
		else if (tree_exists(x->session->maildir, folder))
			add_folder(x, folder);
	}
	return first ? 0 : -1;
}

static int
add_source(struct sources *x, const struct argument **at)
{
	const struct argument *a = *at, *names = a->next;
	bool                   one = argument_is_atom(a, "subtree-one"), tree = one || argument_is_atom(a, "subtree");

	if (argument_is_atom(a, "selected") || argument_is_atom(a, "selected-delayed")) {
		if (!x->session->folder)
			return -1;
		add_folder(x, x->session->folder->name);
	} else if (argument_is_atom(a, "personal") || argument_is_atom(a, "inboxes")) {
		/* RFC 5465, 6.3: a user's script may deliver into any of them */
		add_all(x);
	} else if (argument_is_atom(a, "subscribed")) {
		return add_subscribed(x);
	} else if ((tree || argument_is_atom(a, "mailboxes")) && names) {
		*at = names;
		return add_named(x, names, tree, !one);
	} else {
		return -1;
	}
	return 0;
}

/* "IN (mailboxes (a b) subtree c)"; none: the selected one. */
static int
parse_sources(struct sources *x, const struct argument **at)
{
	const struct argument *list = (*at)->next;

	if (!argument_is_atom(*at, "IN")) {
		if (!x->session->folder)
			return -1;
		add_folder(x, x->session->folder->name);
		return 0;
	}
	if (!list || list->type != ARGUMENT_LIST || list->count == 0 || !list->next)
		return -1;
	for (const struct argument *a = list->children; a; a = a->next)
		if (add_source(x, &a) < 0)
			return -1;
	*at = list->next;
	return 0;
}

/* The program is parsed for each mailbox: sets are resolved in it. */
static int
search_one(struct imap_session *s, const char *folder, const struct search_return *r, const struct argument *a)
{
	struct search_key   *program;
	struct search_needs  needs;
	struct search_filters filters = search_filters_of(s);
	struct folder       *f;
	struct view          view = {0};
	autotext struct text name = {0};
	size_t              *positions, count;

	if (search_parse(s->arena, a, &filters, &program, &needs, &s->why) < 0)
		return -1;
	if (needs.numbers)
		return fault_set(&s->why, FAULT_INPUT, "Message numbers mean nothing here");
	if (imap_open_folder(s, folder, FOLDER_READ_ONLY, &f) < 0) {
		fault_clear(&s->why); /* RFC 7377, 2.2: gone meanwhile: it is not told of */
		return 0;
	}
	view_start(&view, f, &s->manner);
	if (search_resolve(program, &view)) {
		search_run(s, f, &view, program, &positions, &count);
		name_of_folder(folder, &name);
		struct search_found found = {.view = &view, .positions = positions, .count = count, .uid = true,
			.modseq = needs.modseq, .mailbox = text_span(&name), .validity = f->list.validity};

		if (count)
			search_tell(s, r, &found);
	}
	view_free(&view);
	folder_close(f);
	return 0;
}

static void
search_all(struct imap_session *s, struct sources *x)
{
	const struct argument *a = s->command.arguments;
	struct search_return   r;
	struct search_key     *program;
	struct search_needs    needs;
	struct search_filters  filters = search_filters_of(s);

	if (parse_sources(x, &a) < 0) {
		imap_bad_arguments(s);
		return;
	}
	if (search_return_parse(s, &a, &r) < 0)
		return;
	r.all |= !r.given;
	r.given = true;
	if (r.save) { /* RFC 7377, 2.4: only with the selected mailbox alone; we do without */
		imap_finish(s, "BAD SAVE belongs to SEARCH.");
		return;
	}
	if (search_parse(s->arena, a, &filters, &program, &needs, &s->why) < 0) {
		search_refuse(s, &needs);
		return;
	}
	if (r.update) { /* RFC 5267, 4.3.1: the rest is honoured */
		text_add_string(&s->out, "* NO [NOUPDATE ");
		imap_add_string(s->command.tag, &s->out);
		imap_say(s, "] Only SEARCH and SORT are kept up to date.");
	}
	for (size_t i = 0; i < x->count && !s->over; i++)
		if (search_one(s, x->folders[i], &r, a) < 0) {
			imap_finish(s, "BAD %s.", fault_text(&s->why));
			return;
		}
	imap_finish_synced(s, "OK Esearch completed.");
}

void
do_esearch(struct imap_session *s)
{
	struct sources x = {.session = s, .seen = strmap_new()};

	if (tree_list(s->maildir, &x.tree, &s->why) < 0)
		imap_finish_fault(s, "Search failed");
	else
		search_all(s, &x);
	tree_free(&x.tree);
	for (size_t i = 0; i < x.count; i++)
		free(x.folders[i]);
	free(x.folders);
	strmap_free(x.seen, NULL);
}
