/* SPDX-License-Identifier: ISC */
/*
 * do_multisearch.c - ESEARCH over several mailboxes (RFC 7377)
 *
 *   ESEARCH [IN (source ...)] [RETURN (...)] [CHARSET x] program
 *
 * Results are UIDs, one response a mailbox that has any.
 */
#include <errno.h>
#include <stdlib.h>

#include "acl.h"
#include "base/strmap.h"
#include "imap_config.h"
#include "mail/imap_body.h"
#include "names.h"
#include "search_context.h"
#include "store/subscriptions.h"
#include "store/tree.h"

struct sources {
	struct imap_session *session;
	struct tree          tree;
	struct space       **in;           /* owned, of each folder */
	char               **folders;      /* owned storage names, each once */
	size_t               count;
	struct strmap       *seen;
	bool                 only_selected;
};

static void
add_folder(struct sources *x, struct space *in, const char *folder)
{
	autofree char *key = mem_format("%s\1%s", in->kind == SPACE_OWN ? "" : in->prefix, folder);

	if (strmap_get(x->seen, span_of(key)) || (in->kind != SPACE_OWN && !imap_exists(x->session, in, folder))
		|| !(acl_rights_of(x->session, in, folder) & ACL_READ)) /* RFC 7377, 2.1: passed over */
		return;
	strmap_put(x->seen, span_of(key), x);
	x->in = mem_grow(x->in, x->count + 1, sizeof *x->in);
	x->in[x->count] = in;
	x->folders = mem_grow(x->folders, x->count + 1, sizeof *x->folders);
	x->folders[x->count++] = mem_string(folder);
}

static void
add_all(struct sources *x)
{
	add_folder(x, &x->session->mine, "");
	for (size_t i = 0; i < x->tree.count; i++)
		add_folder(x, &x->session->mine, x->tree.names[i]);
}

static int
add_subscribed(struct sources *x)
{
	struct subscriptions s;

	if (subscriptions_read(x->session->maildir, &s, &x->session->why) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++) {
		autofree char *folder = NULL;
		struct space  *in;

		if (name_is_foreign(span_of(s.names[i]))) {
			if (name_find_stored(x->session, span_of(s.names[i]), &in, &folder, NULL) == 0)
				add_folder(x, in, folder);
		} else if (span_is_nocase(span_of(s.names[i]), "INBOX")) {
			add_folder(x, &x->session->mine, "");
		} else if (tree_exists(x->session->maildir, s.names[i])) {
			add_folder(x, &x->session->mine, s.names[i]);
		}
	}
	subscriptions_free(&s);
	return 0;
}

/* The mailbox and what lies below it; `deep` false: only one level. */
static void
add_subtree(struct sources *x, struct space *in, const char *folder, bool deep)
{
	size_t      len = strlen(folder);
	struct tree t;

	if (!*folder || tree_exists(in->maildir, folder))
		add_folder(x, in, folder);
	if (len == 0 || tree_list(in->maildir, &t, NULL) < 0)
		return;
	for (size_t i = 0; i < t.count; i++) {
		const char *name = t.names[i];

		if (strncmp(name, folder, len) == 0 && name[len] == '.' && (deep || !strchr(name + len + 1, '.')))
			add_folder(x, in, name);
	}
	tree_free(&t);
}

/* One name or a list of them. */
static int
add_named(struct sources *x, const struct argument *a, bool subtree, bool deep)
{
	const struct argument *first = a->type == ARGUMENT_LIST ? a->children : a;

	for (const struct argument *n = first; n; n = a->type == ARGUMENT_LIST ? n->next : NULL) {
		autofree char *folder = NULL;
		struct space  *in;
		struct fault   why = {0};

		if (!argument_is_astring(n))
			return -1;
		if (name_find(x->session, n->text, &in, &folder, &why) < 0) {
			if (why.error != ENOENT)
				return -1;
			continue;
		}
		if (subtree)
			add_subtree(x, in, folder, deep);
		else if (tree_exists(in->maildir, folder))
			add_folder(x, in, folder);
	}
	return first ? 0 : -1;
}

static int
add_source(struct sources *x, const struct argument **at)
{
	const struct argument *a = *at, *names = a->next;
	bool                   one = argument_is_atom(a, "subtree-one"), tree = one || argument_is_atom(a, "subtree");

	if (argument_is_atom(a, "selected")) {
		if (!x->session->folder)
			return -1;
		add_folder(x, x->session->in, x->session->folder->name);
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
		add_folder(x, x->session->in, x->session->folder->name);
		x->only_selected = true;
		return 0;
	}
	if (!list || list->type != ARGUMENT_LIST || list->count == 0 || !list->next)
		return -1;
	for (const struct argument *a = list->children; a; a = a->next)
		if (add_source(x, &a) < 0)
			return -1;
	x->only_selected = list->count == 1 && argument_is_atom(list->children, "selected");
	*at = list->next;
	return 0;
}

/* The program is parsed for each mailbox: sets are resolved in it. */
static int
search_one(struct imap_session *s, struct space *in, const char *folder, const struct search_return *r, const struct argument *a)
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
	if (imap_open_in(s, in, folder, FOLDER_READ_ONLY, &f) < 0) {
		fault_clear(&s->why); /* RFC 7377, 2.2: gone meanwhile: it is not told of */
		return 0;
	}
	view_start(&view, f, &s->manner);
	if (r->relevancy)
		program->scores = arena_alloc(s->arena, view.count + 1);
	search_resolve(program, &view);
	search_run(s, f, &view, program, &positions, &count);
	name_of(in, folder, &name);
	struct search_found found = {.view = &view, .positions = positions, .count = count, .scores = program->scores, .uid = true,
		.modseq = needs.modseq, .mailbox = text_span(&name), .validity = f->list.validity};

	search_save(s, r, &found);
	if (count)
		search_tell(s, r, &found);
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
	if ((r.save && !x->only_selected) || (r.update && !s->folder)) { /* RFC 7377, 2.2 */
		imap_finish(s, "BAD That belongs to the selected mailbox.");
		return;
	}
	if (search_parse(s->arena, a, &filters, &program, &needs, &s->why) < 0) {
		if (search_refuse(s, &needs) && r.save)
			search_forget_saved(s);
		return;
	}
	if (s->manner.uidonly && needs.numbers) {
		imap_finish(s, "BAD [UIDREQUIRED] Message numbers are not used any more.");
		return;
	}
	if (!search_may_score(s, r.relevancy, &needs))
		return;
	if (r.update) /* RFC 5267, 4.3.1: the rest is honoured */
		context_refuse(s);
	for (size_t i = 0; i < x->count && !s->over; i++)
		if (search_one(s, x->in[i], x->folders[i], &r, a) < 0) {
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
	free(x.in);
	strmap_free(x.seen, NULL);
}
