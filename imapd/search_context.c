/* SPDX-License-Identifier: ISC */
/*
 * search_context.c - searches whose results are kept up to date
 */
#include "search_context.h"

#include <stdlib.h>

#include "command.h"
#include "mail/imap_body.h"
#include "notify.h"

enum { FEW = 16 };               /* so many new results are put into a sorted list one by one */

struct search_context {
	struct search_context *next;
	struct arena          *arena;       /* of tag, program, order and items */
	struct span            tag;
	bool                   uid;
	struct search_key     *program;
	struct sort_key       *order;       /* NULL: SEARCH */
	size_t                 order_count;
	struct search_return   options;
	uint32_t              *uids;        /* results in their order; owned */
	size_t                 count;
	bool                  *hits;        /* of one context_weigh: which of the new messages it has */
};

bool
context_is_known(const struct imap_session *s, struct span tag)
{
	for (const struct search_context *c = s->contexts; c; c = c->next)
		if (span_equal(c->tag, tag))
			return true;
	return false;
}

static void
free_one(struct search_context *c)
{
	free(c->uids);
	arena_free(c->arena);
	free(c);
}

void
context_free_all(struct imap_session *s)
{
	struct search_context *next;

	for (struct search_context *c = take(s->contexts); c; c = next) {
		next = c->next;
		free_one(c);
	}
	s->own_count = 0;
}

/* ------------------------------------------------------------ programs that last */

static struct sequence
copy_of(struct arena *arena, const struct sequence *set)
{
	struct sequence copy = *set;

	copy.ranges = arena_alloc(arena, (set->count + 1) * sizeof *copy.ranges);
	memcpy(copy.ranges, set->ranges, set->count * sizeof *copy.ranges);
	return copy;
}

static struct sequence
set_of(struct arena *arena, const uint32_t *uids, size_t count)
{
	struct sequence set = {.ranges = arena_alloc(arena, (count + 1) * sizeof *set.ranges), .resolved = true};

	for (size_t i = 0; i < count; i++) {
		if (set.count && set.ranges[set.count - 1].last + 1 == uids[i])
			set.ranges[set.count - 1].last = uids[i];
		else
			set.ranges[set.count++] = (struct sequence_range){uids[i], uids[i]};
	}
	return set;
}

/* 4.3: numbers, and "$", are what they are when the command comes. */
static void
freeze(struct imap_session *s, struct arena *arena, struct search_key *k)
{
	const struct view *v = &s->view;

	for (; k; k = k->next) {
		if (k->kind == SEARCH_SEQUENCE) {
			autofree uint32_t *uids = mem_array(v->count + 1, sizeof *uids);
			size_t             n = 0;

			if (v->count)
				sequence_resolve(&k->sequence, (uint32_t)v->count);
			for (size_t i = 0; i < v->count; i++)
				if (sequence_has(&k->sequence, (uint32_t)i + 1))
					uids[n++] = v->at[i].uid;
			k->sequence = set_of(arena, uids, n);
			k->kind = SEARCH_UID;
		} else if (k->kind == SEARCH_SAVED_RESULT) {
			k->sequence = set_of(arena, s->saved, s->saved_count);
			k->kind = SEARCH_UID;
		}
		k->asked = k->sequence;
		freeze(s, arena, k->first);
		freeze(s, arena, k->second);
	}
}

static void
resolve(struct imap_session *s, struct search_key *k)
{
	for (; k; k = k->next) {
		if (k->kind == SEARCH_UID) {
			k->sequence = copy_of(s->arena, &k->asked);
			if (!k->sequence.resolved)
				sequence_resolve(&k->sequence, s->view.count ? s->view.at[s->view.count - 1].uid : 0);
		}
		resolve(s, k->first);
		resolve(s, k->second);
	}
}

/* The command once more, into the context's arena. It was right before; a filter may have changed. */
static int
parse_again(struct imap_session *s, struct search_context *c, bool sorted)
{
	struct command         again;
	struct search_needs    needs;
	struct search_filters  filters = search_filters_of(s);
	const struct argument *a;
	struct span            charset = SPAN_NONE;

	if (grammar_parse(c->arena, arena_span(c->arena, text_span(&s->input->text)), &again, &s->why) < 0)
		return -1;
	c->tag = again.tag;
	c->uid = again.uid;
	a = again.arguments;
	if (search_return_parse(s, &a, &c->options) < 0)
		return -1;
	if (!sorted)
		return search_parse(c->arena, a, &filters, &c->program, &needs, &s->why);
	if (!sort_parse(c->arena, a, &c->order, &c->order_count))
		return -1;
	charset = a->next->text;
	return search_parse_with(c->arena, charset, a->next->next, &filters, &c->program, &needs, &s->why);
}

void
context_refuse(struct imap_session *s)
{
	text_add_string(&s->out, "* NO [NOUPDATE ");
	imap_add_string(s->command.tag, &s->out);
	imap_say(s, "] Its results will not be kept up to date.");
}

void
context_keep(struct imap_session *s, const struct search_found *found)
{
	struct arena          *of_command = s->arena;
	struct search_context *c, **last = &s->contexts;
	size_t                 count = 0;
	int                    result;

	for (; *last; last = &(*last)->next)
		count++;
	if (count >= CONTEXTS_MOST) {
		context_refuse(s);
		return;
	}
	c = mem_alloc(sizeof *c);
	s->arena = c->arena = arena_new(); /* filters and FETCH items are parsed into it, too */
	result = parse_again(s, c, found->sorted);
	s->arena = of_command;
	if (result < 0) {
		fault_clear(&s->why);
		free_one(c);
		context_refuse(s);
		return;
	}
	freeze(s, c->arena, c->program);
	c->count = found->count;
	c->uids = mem_array(found->count + 1, sizeof *c->uids);
	for (size_t i = 0; i < found->count; i++)
		c->uids[i] = found->view->at[found->positions[i]].uid;
	*last = c;
}

void
do_cancelupdate(struct imap_session *s)
{
	for (const struct argument *a = s->command.arguments; a; a = a->next)
		if (!argument_is_astring(a) || !context_is_known(s, a->text)) {
			imap_finish(s, "BAD There is no search of that tag that is kept up to date.");
			return;
		}
	for (const struct argument *a = s->command.arguments; a; a = a->next)
		for (struct search_context **c = &s->contexts; *c; c = &(*c)->next)
			if (span_equal((*c)->tag, a->text)) {
				struct search_context *gone = *c;

				*c = gone->next;
				free_one(gone);
				break;
			}
	imap_finish_synced(s, "OK No further updates.");
}

/* ------------------------------------------------------------ telling */

/* "* ESEARCH (TAG "a") UID", then items, then imap_say's end */
static void
add_head(const struct search_context *c, struct text *out)
{
	text_add_string(out, "* ESEARCH (TAG ");
	imap_add_string(c->tag, out);
	text_add_string(out, c->uid ? ") UID" : ")");
}

static uint32_t
told_as(const struct imap_session *s, const struct search_context *c, uint32_t uid)
{
	return c->uid ? uid : (uint32_t)view_position(&s->view, uid) + 1;
}

static bool
has(const uint32_t *ascending, size_t count, uint32_t uid)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ascending[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ascending[low] == uid;
}

/* Without order: " ADDTO (0 1:3)"; `uids` ascending */
static void
add_set(const struct imap_session *s, const struct search_context *c, const char *item, const uint32_t *uids, size_t count,
	struct text *out)
{
	autofree uint32_t *numbers = mem_array(count + 1, sizeof *numbers);

	for (size_t i = 0; i < count; i++)
		numbers[i] = told_as(s, c, uids[i]);
	text_add_format(out, " %s (0 ", item);
	sequence_add(numbers, count, out);
	text_add_byte(out, ')');
}

/* Those leave the results; with an order each from where it is when the ones before it have left. */
static void
take_off(const struct imap_session *s, struct search_context *c, const uint32_t *uids, size_t count, struct text *out)
{
	size_t kept = 0;
	bool   any = false;

	if (count == 0)
		return;
	if (!c->order)
		add_set(s, c, "REMOVEFROM", uids, count, out);
	for (size_t i = 0; i < c->count; i++) {
		if (!has(uids, count, c->uids[i])) {
			c->uids[kept++] = c->uids[i];
			continue;
		}
		if (c->order)
			text_add_format(out, "%s%zu %u", any ? " " : " REMOVEFROM (", kept + 1, told_as(s, c, c->uids[i]));
		any = true;
	}
	c->count = kept;
	if (c->order)
		text_add_byte(out, ')');
}

void
context_tell_gone(struct imap_session *s)
{
	if (!s->contexts || s->view.generation == s->folder->generation)
		return;
	for (struct search_context *c = s->contexts; c; c = c->next) {
		autofree uint32_t *gone = mem_array(c->count + 1, sizeof *gone);
		size_t             n = 0;

		for (size_t i = 0; i < c->count; i++)
			if (!folder_find(s->folder, c->uids[i]) && view_position(&s->view, c->uids[i]) < s->view.count)
				gone[n++] = c->uids[i];
		if (n == 0)
			continue;
		qsort(gone, n, sizeof *gone, sequence_compare);
		add_head(c, &s->out);
		take_off(s, c, gone, n, &s->out);
		imap_say(s, "%s", "");
	}
}

/* ------------------------------------------------------------ what comes into the results */

/* Does the new one come before that result? */
static bool
comes_before(struct imap_session *s, const struct search_context *c, uint32_t new, uint32_t other)
{
	size_t pair[2] = {view_position(&s->view, new), view_position(&s->view, other)}, mine = pair[0];

	if (pair[1] >= s->view.count)
		return false;
	sort_positions(s, s->folder, &s->view, c->order, c->order_count, pair, 2);
	return pair[0] == mine;
}

static void
insert(struct search_context *c, size_t at, uint32_t uid)
{
	memmove(c->uids + at + 1, c->uids + at, (c->count - at) * sizeof *c->uids);
	c->uids[at] = uid;
	c->count++;
}

static void
insert_one_by_one(struct imap_session *s, struct search_context *c, const uint32_t *uids, size_t count, struct text *out)
{
	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = c->count;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (comes_before(s, c, uids[i], c->uids[middle]))
				high = middle;
			else
				low = middle + 1;
		}
		insert(c, low, uids[i]);
		text_add_format(out, "%s%zu %u", i ? " " : " ADDTO (", low + 1, told_as(s, c, uids[i]));
	}
	text_add_byte(out, ')');
}

/* Sorted anew; walking it, each new one is put where it stands in the end. */
static void
insert_many(struct imap_session *s, struct search_context *c, const uint32_t *uids, size_t count, struct text *out)
{
	autofree size_t *positions = mem_array(c->count + count + 1, sizeof *positions);
	size_t           n = 0;
	bool             any = false;

	for (size_t i = 0; i < c->count + count; i++) {
		positions[n] = view_position(&s->view, i < c->count ? c->uids[i] : uids[i - c->count]);
		n += positions[n] < s->view.count;
	}
	sort_positions(s, s->folder, &s->view, c->order, c->order_count, positions, n);
	for (size_t i = 0; i < n; i++) {
		c->uids[i] = s->view.at[positions[i]].uid;
		if (!has(uids, count, c->uids[i]))
			continue;
		text_add_format(out, "%s%zu %u", any ? " " : " ADDTO (", i + 1, told_as(s, c, c->uids[i]));
		any = true;
	}
	c->count = n;
	text_add_byte(out, ')');
}

/* `uids` ascending */
static void
put_in(struct imap_session *s, struct search_context *c, const uint32_t *uids, size_t count, struct text *out)
{
	if (count == 0)
		return;
	c->uids = mem_grow(c->uids, c->count + count + 1, sizeof *c->uids);
	if (c->order && count <= FEW) {
		insert_one_by_one(s, c, uids, count, out);
		return;
	}
	if (c->order) {
		insert_many(s, c, uids, count, out);
		return;
	}
	add_set(s, c, "ADDTO", uids, count, out);
	memcpy(c->uids + c->count, uids, count * sizeof *uids);
	c->count += count;
	qsort(c->uids, c->count, sizeof *c->uids, sequence_compare);
}

static void
weigh_one(struct imap_session *s, struct search_context *c, const size_t *touched, size_t count, size_t fresh, struct text *out)
{
	autofree uint32_t *results = mem_array(c->count + 1, sizeof *results);
	autofree uint32_t *in = mem_array(count + 1, sizeof *in), *gone = mem_array(count + 1, sizeof *gone);
	size_t             n_in = 0, n_gone = 0, *matched, n_matched, at = 0, known = c->count;

	if (known)
		memcpy(results, c->uids, known * sizeof *results);
	qsort(results, known, sizeof *results, sequence_compare);
	c->hits = arena_alloc(s->arena, (fresh + 1) * sizeof *c->hits);
	resolve(s, c->program);
	search_run_among(s, s->folder, &s->view, c->program, touched, count, &matched, &n_matched);
	for (size_t i = 0; i < count; i++) {
		uint32_t uid = s->view.at[touched[i]].uid;
		bool     was = has(results, known, uid), is = at < n_matched && matched[at] == touched[i];

		at += is;
		if (is && touched[i] >= s->view.count - fresh)
			c->hits[touched[i] - (s->view.count - fresh)] = true;
		if (is && !was)
			in[n_in++] = uid;
		else if (was && !is)
			gone[n_gone++] = uid;
	}
	if (!n_in && !n_gone)
		return;
	add_head(c, out);
	take_off(s, c, gone, n_gone, out);
	put_in(s, c, in, n_in, out);
	text_add_string(out, "\r\n");
}

void
context_weigh(struct imap_session *s, size_t fresh, struct text *out)
{
	size_t *touched, count = 0;

	for (struct search_context *c = s->contexts; c; c = c->next)
		c->hits = NULL;
	if (!s->view.touched)
		return;
	s->view.touched = false;
	touched = arena_alloc(s->arena, (s->contexts ? s->view.count + 1 : 1) * sizeof *touched);
	for (size_t i = 0; i < s->view.count; i++) {
		if (s->view.at[i].touched && s->contexts)
			touched[count++] = i;
		if (s->view.at[i].touched) /* what is not written may be a file's page (store/messages.h) */
			s->view.at[i].touched = false;
	}
	for (struct search_context *c = s->contexts; c && count; c = c->next)
		weigh_one(s, c, touched, count, fresh, out);
}

/* ------------------------------------------------------------ new messages */

static bool
is_own(const struct imap_session *s, uint32_t uid)
{
	for (size_t i = 0; i < s->own_count; i++)
		if (s->own[i] == uid)
			return true;
	return false;
}

static void
add_items(struct imap_session *s, struct fetch_items *to, const struct fetch_items *from)
{
	struct fetch_item *at = arena_alloc(s->arena, (to->count + from->count + 1) * sizeof *at);

	if (to->count)
		memcpy(at, to->at, to->count * sizeof *at);
	to->at = at;
	for (size_t i = 0; i < from->count; i++) {
		bool there = false;

		for (size_t k = 0; k < to->count; k++)
			there |= span_equal(to->at[k].label, from->at[i].label);
		if (!there)
			to->at[to->count++] = from->at[i];
	}
	to->sets_seen |= from->sets_seen;
	to->has_flags |= from->has_flags;
	to->has_uid |= from->has_uid;
	to->has_modseq |= from->has_modseq;
	to->has_email_id |= from->has_email_id;
}

/* RFC 5465, 5.2: what all of them want of a message, in one response. */
void
context_fetch(struct imap_session *s, size_t fresh)
{
	const struct fetch_items *always = s->notify && fresh ? notify_new_items(s->notify) : NULL;
	size_t                    first = s->view.count - fresh;

	for (size_t i = 0; i < fresh && !s->over; i++) {
		struct fetch_items items = {0};
		size_t             position = first + i;

		if (is_own(s, s->view.at[position].uid))
			continue;
		if (always)
			add_items(s, &items, always);
		for (const struct search_context *c = s->contexts; c; c = c->next)
			if (c->hits && c->hits[i] && c->options.fetches)
				add_items(s, &items, &c->options.items);
		if (items.has_modseq)
			imap_use_modseq(s);
		if (items.count)
			fetch_tell(s, &items, &position, 1);
	}
	s->own_count = 0;
}
