/* SPDX-License-Identifier: ISC */
/*
 * sort.c - SORT's order and THREAD's facts of messages (RFC 5256, RFC 5957)
 */
#include "sort.h"

#include <stdlib.h>

#include "base/radix.h"
#include "content.h"
#include "mail/casemap.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "ranks.h"
#include "search_run.h"

bool
sort_parse(struct arena *arena, const struct argument *list, struct sort_key **out, size_t *count)
{
	static const struct {
		const char     *name;
		enum sort_field field;
	} known[] = {
		{"ARRIVAL", SORT_ARRIVAL}, {"CC", SORT_CC}, {"DATE", SORT_DATE}, {"FROM", SORT_FROM},
		{"SIZE", SORT_SIZE}, {"SUBJECT", SORT_SUBJECT}, {"TO", SORT_TO},
		{"DISPLAYFROM", SORT_DISPLAY_FROM}, {"DISPLAYTO", SORT_DISPLAY_TO}, {"RELEVANCY", SORT_RELEVANCY},
	};
	bool     reverse = false;
	unsigned named = 0;

	*count = 0;
	if (!list || list->type != ARGUMENT_LIST || list->count == 0)
		return false;
	*out = arena_alloc(arena, list->count * sizeof **out);
	for (const struct argument *a = list->children; a; a = a->next) {
		bool found = false;

		if (argument_is_atom(a, "REVERSE") && !reverse) {
			reverse = true;
			continue;
		}
		for (size_t i = 0; i < COUNT(known); i++)
			if (argument_is_atom(a, known[i].name)) {
				if (!(named & 1u << i)) /* the second time it decides nothing, and each time costs */
					(*out)[(*count)++] = (struct sort_key){known[i].field, reverse, NULL};
				named |= 1u << i;
				found = true;
			}
		if (!found)
			return false;
		reverse = false;
	}
	return !reverse;
}

bool
sort_by_relevancy(const struct sort_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (keys[i].field == SORT_RELEVANCY)
			return true;
	return false;
}

/* ---- base subjects (RFC 5256, 2.1) ---- */

/* "[...]" at the front with what follows of blanks; 0: none. */
static size_t
blob(struct span s)
{
	ptrdiff_t end;

	if (!span_starts(s, "["))
		return 0;
	end = span_find_any(span_from(s, 1), "[]");
	if (end < 0 || s.at[end + 1] != ']')
		return 0;
	return (size_t)(s.len - span_trim(span_from(s, (size_t)end + 2)).len);
}

/* Blobs, then re: fw: fwd: with a blob before the colon; 0: none. */
static size_t
leader(struct span s)
{
	static const char *const words[] = {"re", "fwd", "fw"};
	struct span              rest = s;

	for (size_t n; (n = blob(rest)) > 0;)
		rest = span_from(rest, n);
	for (size_t i = 0; i < COUNT(words); i++) {
		struct span tail = rest;

		if (!span_starts_nocase(tail, words[i]))
			continue;
		tail = span_trim(span_from(tail, strlen(words[i])));
		tail = span_from(tail, blob(tail));
		if (span_starts(tail, ":"))
			return s.len - span_trim(span_from(tail, 1)).len;
	}
	return 0;
}

static void
join_blanks(struct span s, struct text *out)
{
	bool blank = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == ' ' || s.at[i] == '\t' || s.at[i] == '\r' || s.at[i] == '\n') {
			blank = out->len > 0;
			continue;
		}
		if (blank)
			text_add_byte(out, ' ');
		blank = false;
		text_add_byte(out, s.at[i]);
	}
}

void
subject_base(struct span raw, struct text *out, bool *is_reply)
{
	autotext struct text unfolded = {0}, decoded = {0}, joined = {0};
	struct span          s;

	*is_reply = false;
	header_unfold(raw, &unfolded);
	encoded_word_decode(text_span(&unfolded), &decoded);
	join_blanks(text_span(&decoded), &joined);
	s = text_span(&joined);
	for (bool again = true; again;) {
		size_t n;

		again = false;
		while (span_ends_nocase(s, "(fwd)")) {
			s = span_trim(span_first(s, s.len - 5));
			*is_reply = true;
		}
		while ((n = leader(s)) > 0) {
			s = span_from(s, n);
			*is_reply = again = true;
		}
		/* no leader follows these: each is looked at twice, however many there are */
		while ((n = blob(s)) > 0 && n < s.len) {
			s = span_from(s, n);
			again = true;
		}
		if (span_starts_nocase(s, "[fwd:") && span_ends(s, "]")) {
			s = span_trim(span_cut(s, 5, s.len - 1));
			*is_reply = again = true;
		}
	}
	casemap_add(s, out);
}

/* ---- order ---- */

struct sorting {
	struct imap_session *session;
	struct folder       *folder;
	const struct view   *view;
	struct index_batch  *batch;
	struct arena        *of_message;
	struct progress      progress;
};

static bool
is_of_text(enum sort_field field)
{
	return field != SORT_ARRIVAL && field != SORT_DATE && field != SORT_SIZE && field != SORT_RELEVANCY;
}

/* What a message that cannot be read any more is sorted by is 0. */
static int64_t
number_of(struct sorting *x, const struct sort_key *key, size_t position)
{
	struct content      c;
	struct content_date sent;
	int64_t             arrived = 0, number = 0;
	uint64_t            size = 0;

	if (key->field == SORT_RELEVANCY)
		return -(int64_t)key->scores[position];
	content_start(&c, x->session, x->view->at[position].uid, x->of_message);
	c.folder = x->folder;
	c.batch = x->batch;
	if (key->field == SORT_SIZE)
		number = content_full_size(&c, &size, NULL) == 0 ? (int64_t)size : 0;
	else if (content_date(&c, &arrived, NULL) == 0 && (key->field == SORT_ARRIVAL || content_sent(&c, &sent, NULL) == 0))
		number = key->field == SORT_DATE && sent.has ? sent.seconds : arrived;
	content_end(&c);
	return number;
}

/* Of each position what it is sorted by, as numbers without a sign. */
static void
fill_numbers(struct sorting *x, const struct sort_key *key, const size_t *positions, size_t count, uint64_t *numbers)
{
	if (is_of_text(key->field)) {
		struct ranking r = {x->session, x->folder, x->view, x->batch, &x->progress, key->field};

		ranks_of(&r, positions, count, numbers);
	} else {
		memset(numbers, 0, count * sizeof *numbers); /* of those that are not reached */
		for (size_t i = 0; i < count && !x->session->over; i++) {
			numbers[i] = (uint64_t)number_of(x, key, positions[i]) ^ (uint64_t)1 << 63;
			if (i % 100 == 0)
				progress_tell(&x->progress, i, count);
		}
	}
	for (size_t i = 0; i < count && key->reverse; i++)
		numbers[i] = ~numbers[i];
}

static int
compare_positions(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
make_ascending(size_t *positions, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (positions[i] < positions[i - 1]) {
			qsort(positions, count, sizeof *positions, compare_positions);
			return;
		}
}

/* By the last key first: equals stay as they were. */
void
sort_positions(struct imap_session *s, struct folder *f, const struct view *v, const struct sort_key *keys,
	size_t key_count, size_t *positions, size_t count)
{
	autoarena struct arena *of_message = arena_new();
	struct sorting          x = {s, f, v, index_begin(s->index, f), of_message, {0}};
	autofree uint64_t      *numbers = mem_grow(NULL, count + 1, sizeof *numbers);
	autofree struct radix  *order = mem_grow(NULL, count + 1, sizeof *order), *spare = mem_grow(NULL, count + 1, sizeof *spare);

	progress_start(&x.progress, s);
	make_ascending(positions, count);
	for (size_t i = 0; i < count; i++)
		order[i].item = (uint32_t)i;
	for (size_t k = key_count; k-- > 0;) {
		fill_numbers(&x, &keys[k], positions, count, numbers);
		for (size_t i = 0; i < count; i++)
			order[i].number = numbers[order[i].item];
		radix_sort(order, spare, count);
	}
	index_end(x.batch);
	for (size_t i = 0; i < count; i++)
		order[i].number = positions[order[i].item];
	for (size_t i = 0; i < count; i++)
		positions[i] = (size_t)order[i].number;
}

/* ---- THREAD ---- */

static void
take_references(struct arena *arena, struct span ids, struct thread_message *m)
{
	struct span id, rest = ids;
	size_t      count = 0;

	for (size_t i = 0; i < ids.len; i++)
		count += ids.at[i] == '>';
	m->references = arena_alloc(arena, count * sizeof *m->references);
	while (facts_next_reference(&rest, &id))
		m->references[m->reference_count++] = id;
}

static void
fill_thread(struct imap_session *s, size_t position, struct index_batch *batch, struct arena *strings,
	struct arena *arena, struct thread_message *m)
{
	struct content c;
	struct header_facts   facts;
	int64_t        arrived;

	*m = (struct thread_message){.subject = SPAN_NONE, .id = SPAN_NONE};
	m->number = s->command.uid ? s->view.at[position].uid : (uint32_t)position + 1;
	content_start(&c, s, s->view.at[position].uid, arena);
	c.batch = batch;
	if (content_facts(&c, &facts, NULL) == 0 && content_date(&c, &arrived, NULL) == 0) {
		m->date = facts.has_sent ? facts.sent : arrived;
		m->subject = c.facts_last ? facts.subject : arena_span(strings, facts.subject);
		m->is_reply = facts.is_reply;
		m->id = c.facts_last ? facts.id : arena_span(strings, facts.id);
		if (facts.references.len)
			take_references(strings, c.facts_last ? facts.references : arena_span(strings, facts.references), m);
	}
	content_end(&c);
}

void
do_thread(struct imap_session *s)
{
	static const char *const names[] = {"ORDEREDSUBJECT", "REFERENCES", "REFS"};
	const struct argument   *a = s->command.arguments;
	struct search_key       *program;
	struct search_needs      needs = {0};
	struct search_filters    filters = search_filters_of(s);
	autoarena struct arena  *strings = arena_new(), *of_message = arena_new();
	size_t                  *positions, count, kind = 0;

	while (kind < COUNT(names) && !argument_is_atom(a, names[kind]))
		kind++;
	if (kind == COUNT(names) || !argument_is_astring(a->next)) {
		imap_finish(s, "BAD Unknown thread algorithm.");
		return;
	}
	if (search_parse_with(s->arena, a->next->text, a->next->next, &filters, &program, &needs, &s->why) < 0) {
		search_refuse(s, &needs);
		return;
	}
	if (s->manner.uidonly && needs.numbers) {
		imap_finish(s, "BAD [UIDREQUIRED] Message numbers are not used any more.");
		return;
	}
	search_resolve(program, &s->view);
	s->numbered |= needs.numbers;
	if (!search_may_sort(s, program))
		return;
	if (needs.modseq && !imap_has_modseq(s))
		return;
	if (needs.modseq)
		imap_use_modseq(s);
	search_run(s, s->folder, &s->view, program, &positions, &count);
	autofree struct thread_message *messages = mem_array(count + 1, sizeof *messages);
	struct index_batch             *batch = index_begin(s->index, s->folder);

	for (size_t i = 0; i < count; i++)
		fill_thread(s, positions[i], batch, strings, of_message, &messages[i]);
	text_add_string(&s->out, count ? "* THREAD " : "* THREAD");
	thread_make((enum thread_kind)kind, messages, count, &s->out);
	index_end(batch); /* what they point to may be its */
	imap_say(s, "%s", "");
	imap_finish_synced(s, "OK Thread completed.");
}
