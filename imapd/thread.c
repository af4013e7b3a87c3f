/* SPDX-License-Identifier: ISC */
/*
 * thread.c - messages put into threads (RFC 5256, 3; REFS as Dovecot and Cyrus have it)
 *
 * Every message and every id that is only referred to is a node with a parent.
 * Nodes without a message are taken out by asking for the nearest ancestor that
 * has one; only at the top may one stay, when it holds several together.  No
 * recursion: chains are as long as senders make them.
 */
#include "sort.h"

#include <stdlib.h>

#include "base/strmap.h"
#include "mail/imap_body.h"

enum { NONE = -1 };

struct node {
	int     message;             /* index, or NONE */
	int     parent, first, last, next;
	int64_t date, newest;
};

struct forest {
	struct thread_message *messages;
	size_t                 count;    /* of messages */
	struct node           *nodes;    /* the messages' own first */
	size_t                 used, room;
	struct strmap         *by_id;    /* index + 1 */
};

static int
add_node(struct forest *f, int message)
{
	if (f->used == f->room) {
		f->room = f->room * 2 + 16;
		f->nodes = mem_grow(f->nodes, f->room, sizeof *f->nodes);
	}
	f->nodes[f->used] = (struct node){message, NONE, NONE, NONE, NONE, 0, 0};
	return (int)f->used++;
}

static int
node_of(struct forest *f, struct span id)
{
	int n = (int)(intptr_t)strmap_get(f->by_id, id) - 1;

	if (n < 0) {
		n = add_node(f, NONE);
		strmap_put(f->by_id, id, (void *)(intptr_t)(n + 1));
	}
	return n;
}

/* The tree that a node is in, by any of its nodes; the way there is halved, so that it is near to nothing in the end. */
static int
tree_of(int *tree, int node)
{
	while (tree[node] != node) {
		tree[node] = tree[tree[node]];
		node = tree[node];
	}
	return node;
}

/* A node without a parent gets one, unless that closes a ring: who has none is above all in its tree. */
static void
put_under(struct forest *f, int *tree, int node, int parent)
{
	int mine = tree_of(tree, node), theirs = tree_of(tree, parent);

	if (mine == theirs)
		return;
	tree[mine] = theirs;
	f->nodes[node].parent = parent;
}

/* Whom each message refers to, one message's after the other's. */
static int *
find_references(struct forest *f)
{
	size_t all = 0;
	int   *nodes;

	for (size_t i = 0; i < f->count; i++)
		all += f->messages[i].reference_count;
	nodes = mem_array(all + 1, sizeof *nodes);
	all = 0;
	for (size_t i = 0; i < f->count; i++)
		for (size_t r = 0; r < f->messages[i].reference_count; r++)
			nodes[all++] = node_of(f, f->messages[i].references[r]);
	return nodes;
}

/* RFC 5256, 3, step 1: what a message says of itself counts most, so that is heeded first, and no parent is ever
 * taken away again. Of others, and of messages that say nothing of themselves, later ones may tell. */
static void
link_references(struct forest *f)
{
	autofree int *refs = find_references(f), *tree = mem_array(f->used + 1, sizeof *tree);
	size_t        at = 0;

	for (size_t n = 0; n < f->used; n++)
		tree[n] = (int)n;
	for (size_t i = 0; i < f->count; i++) {
		at += f->messages[i].reference_count;
		if (f->messages[i].reference_count)
			put_under(f, tree, (int)i, refs[at - 1]);
	}
	at = 0;
	for (size_t i = 0; i < f->count; i++)
		for (size_t r = 0; r < f->messages[i].reference_count; r++, at++) {
			const struct node *n = &f->nodes[refs[at]];

			if (r > 0 && n->parent == NONE && (n->message == NONE || n->message < (int)i))
				put_under(f, tree, refs[at], refs[at - 1]);
		}
}

struct above { bool known; int real, top; };

/* The nearest ancestor with a message; else *top is the topmost without one (or NONE).  `above` remembers it of
 * those without a message on the way, so that each is passed twice whatever chains there are. */
static int
real_parent(const struct forest *f, struct above *above, int node, int *top)
{
	int          at = f->nodes[node].parent;
	struct above found = {true, NONE, NONE};

	for (; at != NONE; at = f->nodes[at].parent) {
		if (f->nodes[at].message != NONE) {
			found.real = at;
			break;
		}
		found.top = at;
		if (above[at].known) {
			found.real = above[at].real;
			found.top = above[at].top != NONE ? above[at].top : at;
			break;
		}
	}
	for (int on = f->nodes[node].parent; on != at; on = f->nodes[on].parent)
		above[on] = found;
	*top = found.top;
	return found.real;
}

static void
prune(struct forest *f)
{
	autofree int *parents = mem_array(f->used + 1, sizeof *parents);
	autofree int *held = mem_array(f->used + 1, sizeof *held);
	autofree struct above *above = mem_array(f->used + 1, sizeof *above);
	size_t        n = f->used;

	for (size_t i = 0; i < n; i++) {
		int top;

		if (f->nodes[i].message == NONE)
			continue;
		parents[i] = real_parent(f, above, (int)i, &top);
		if (parents[i] == NONE && top != NONE) {
			parents[i] = top;
			held[top]++;
		}
	}
	for (size_t i = 0; i < n; i++) {
		bool alone = f->nodes[i].message != NONE && parents[i] != NONE
			&& f->nodes[parents[i]].message == NONE && held[parents[i]] < 2;

		f->nodes[i].parent = f->nodes[i].message == NONE || alone ? NONE : parents[i];
	}
}

static bool
is_used(const struct forest *f, const bool *has_children, size_t i)
{
	return f->nodes[i].message != NONE || has_children[i];
}

static void
put_last(struct forest *f, int node, int parent)
{
	struct node *up = &f->nodes[parent];

	f->nodes[node].next = NONE;
	if (up->last == NONE)
		up->first = node;
	else
		f->nodes[up->last].next = node;
	up->last = node;
}

static void
link_children(struct forest *f)
{
	for (size_t i = 0; i < f->used; i++)
		f->nodes[i].first = f->nodes[i].last = f->nodes[i].next = NONE;
	for (size_t i = 0; i < f->used; i++)
		if (f->nodes[i].parent != NONE)
			put_last(f, (int)i, f->nodes[i].parent);
}

/* A root's subject: its own, or of its first child. */
static const struct thread_message *
face(const struct forest *f, int node)
{
	if (f->nodes[node].message == NONE)
		for (int i = f->nodes[node].first; i != NONE; i = f->nodes[i].next)
			if (f->nodes[i].message != NONE)
				return &f->messages[i];
	return f->nodes[node].message == NONE ? NULL : &f->messages[f->nodes[node].message];
}

static void
mark_children(const struct forest *f, bool *has)
{
	memset(has, 0, f->used);
	for (size_t i = 0; i < f->used; i++)
		if (f->nodes[i].parent != NONE)
			has[f->nodes[i].parent] = true;
}

static int
subject_root(struct strmap *by_subject, struct span subject)
{
	return (int)(intptr_t)strmap_get(by_subject, subject) - 1;
}

static void
remember_root(struct forest *f, struct strmap *by_subject, int node, const struct thread_message *m)
{
	int                          there = subject_root(by_subject, m->subject);
	const struct thread_message *other = there < 0 ? NULL : face(f, there);
	bool dummy = f->nodes[node].message == NONE;

	if (there < 0 || (dummy && f->nodes[there].message != NONE)
		|| (f->nodes[there].message != NONE && other && other->is_reply && !m->is_reply))
		strmap_put(by_subject, m->subject, (void *)(intptr_t)(node + 1));
}

static void
adopt_children(struct forest *f, int from, int to)
{
	for (int i = f->nodes[from].first, next; i != NONE; i = next) {
		next = f->nodes[i].next;
		f->nodes[i].parent = to;
		put_last(f, i, to);
	}
	f->nodes[from].first = f->nodes[from].last = NONE;
}

/* RFC 5256, 3, step 5 */
static void
merge_subjects(struct forest *f)
{
	struct strmap *by_subject = strmap_new_borrowing();
	autofree bool *has = mem_array(f->used + 1, 1);
	size_t         n = f->used;

	mark_children(f, has);
	link_children(f);
	for (size_t i = 0; i < n; i++) {
		const struct thread_message *m = f->nodes[i].parent == NONE && is_used(f, has, i)
			? face(f, (int)i) : NULL;

		if (m && m->subject.len)
			remember_root(f, by_subject, (int)i, m);
	}
	for (size_t i = 0; i < n; i++) {
		const struct thread_message *m = f->nodes[i].parent == NONE && is_used(f, has, i)
			? face(f, (int)i) : NULL;
		int root = m && m->subject.len ? subject_root(by_subject, m->subject) : NONE;

		if (root == NONE || root == (int)i)
			continue;
		bool dummy = f->nodes[i].message == NONE, root_dummy = f->nodes[root].message == NONE;

		if (dummy && root_dummy) {
			adopt_children(f, (int)i, root);
			has[i] = false;
		} else if (root_dummy || (m->is_reply && !dummy && !face(f, root)->is_reply)) {
			f->nodes[i].parent = root;
			put_last(f, (int)i, root);
		} else {
			int both = add_node(f, NONE);

			f->nodes[root].parent = f->nodes[i].parent = both;
			put_last(f, root, both);
			put_last(f, (int)i, both);
			strmap_put(by_subject, m->subject, (void *)(intptr_t)(both + 1));
		}
	}
	strmap_free(by_subject, NULL);
}

struct dated { int node; int64_t date; uint32_t number; };

static int
compare_dated(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;

	if (x->date != y->date)
		return x->date < y->date ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Dates go up, each node once and after its children: a node without a message has its earliest
 * child's; all know their newest. */
static void
spread_dates(struct forest *f)
{
	autofree int *waits = mem_array(f->used + 1, sizeof *waits), *ready = mem_array(f->used + 1, sizeof *ready);
	size_t        n = 0;

	for (size_t i = 0; i < f->used; i++)
		if (f->nodes[i].parent != NONE)
			waits[f->nodes[i].parent]++;
	for (size_t i = 0; i < f->used; i++) {
		struct node *x = &f->nodes[i];

		if (x->message != NONE)
			x->date = x->newest = f->messages[x->message].date;
		if (!waits[i])
			ready[n++] = (int)i;
	}
	for (size_t i = 0; i < n; i++) {
		const struct node *x = &f->nodes[ready[i]];
		struct node       *up = x->parent == NONE ? NULL : &f->nodes[x->parent];

		if (!up)
			continue;
		if (up->message == NONE && (up->date == 0 || x->date < up->date))
			up->date = x->date;
		if (x->newest > up->newest)
			up->newest = x->newest;
		if (--waits[x->parent] == 0)
			ready[n++] = x->parent;
	}
}

/* Children by date, roots by date (REFS: by their newest): *first is the first root. */
static void
order(struct forest *f, bool by_newest, int *first)
{
	autofree struct dated *all = mem_array(f->used + 1, sizeof *all);
	autofree bool         *has = mem_array(f->used + 1, 1);
	size_t                 n = 0;
	int                    last = NONE;

	mark_children(f, has);
	for (size_t i = 0; i < f->used; i++) {
		struct node *x = &f->nodes[i];

		x->first = x->last = x->next = NONE;
		if (is_used(f, has, i))
			all[n++] = (struct dated){(int)i, by_newest && x->parent == NONE ? x->newest : x->date,
				x->message == NONE ? 0 : f->messages[x->message].number};
	}
	qsort(all, n, sizeof *all, compare_dated);
	*first = NONE;
	for (size_t i = 0; i < n; i++) {
		int  node = all[i].node, parent = f->nodes[node].parent;
		int *tail = parent == NONE ? &last : &f->nodes[parent].last;
		int *head = parent == NONE ? first : &f->nodes[parent].first;

		if (*tail == NONE)
			*head = node;
		else
			f->nodes[*tail].next = node;
		*tail = node;
	}
}

/* One root: "(1 2 (3)(4 5))".  `parents` lead back up. */
static void
tell_root(const struct forest *f, int root, struct text *out)
{
	int node = root;

	text_add_byte(out, '(');
	for (;;) {
		const struct node *n = &f->nodes[node];

		if (n->message != NONE)
			imap_add_number(f->messages[n->message].number, out);
		if (n->first != NONE) {
			bool branches = n->first != n->last;

			if (n->message != NONE)
				text_add_byte(out, ' ');
			if (branches)
				text_add_byte(out, '(');
			node = n->first;
			continue;
		}
		/* up to where a sibling waits */
		while (node != root) {
			int  parent = f->nodes[node].parent;
			bool branches = f->nodes[parent].first != f->nodes[parent].last;

			if (branches)
				text_add_byte(out, ')');
			if (f->nodes[node].next != NONE)
				break;
			node = parent;
		}
		if (node == root)
			break;
		text_add_byte(out, '(');
		node = f->nodes[node].next;
	}
	text_add_byte(out, ')');
}

static void
group_subjects(struct forest *f)
{
	struct strmap         *by_subject = strmap_new_borrowing();
	autofree struct dated *all = mem_array(f->count + 1, sizeof *all);

	for (size_t i = 0; i < f->count; i++)
		all[i] = (struct dated){(int)i, f->messages[i].date, f->messages[i].number};
	qsort(all, f->count, sizeof *all, compare_dated);
	for (size_t i = 0; i < f->count; i++) {
		struct span subject = f->messages[all[i].node].subject;
		int         root = subject_root(by_subject, subject);

		if (root < 0)
			strmap_put(by_subject, subject, (void *)(intptr_t)(all[i].node + 1));
		else
			f->nodes[all[i].node].parent = root;
	}
	strmap_free(by_subject, NULL);
}

void
thread_make(enum thread_kind kind, struct thread_message *messages, size_t count, struct text *out)
{
	struct forest f = {.messages = messages, .count = count, .by_id = strmap_new_borrowing()};
	int           root;

	for (size_t i = 0; i < count; i++)
		add_node(&f, (int)i);
	for (size_t i = 0; i < count; i++) /* the first of equal ids has it */
		if (messages[i].id.len && !strmap_get(f.by_id, messages[i].id))
			strmap_put(f.by_id, messages[i].id, (void *)(intptr_t)(i + 1));
	if (kind == THREAD_ORDEREDSUBJECT) {
		group_subjects(&f);
	} else {
		link_references(&f);
		prune(&f);
		if (kind == THREAD_REFERENCES)
			merge_subjects(&f);
	}
	spread_dates(&f);
	order(&f, kind == THREAD_REFS, &root);
	for (; root != NONE; root = f.nodes[root].next)
		tell_root(&f, root, out);
	strmap_free(f.by_id, NULL);
	free(f.nodes);
}
