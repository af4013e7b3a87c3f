/* SPDX-License-Identifier: ISC */
/*
 * do_search.c - SEARCH and SORT (RFC 3501, 6.4.4; RFC 5256)
 */
#include <stdlib.h>

#include "imap_config.h"
#include "search_context.h"
#include "search_run.h"
#include "sort.h"

static void
forget_saved(struct imap_session *s, const struct search_return *r)
{
	if (r->save) /* RFC 5182, 2.1: a search with SAVE that is answered NO leaves nothing, BAD changes nothing */
		search_forget_saved(s);
}

/* Message numbers are refused under UIDONLY; a charset once UTF-8 is on (RFC 6855, 3). */
static bool
may_run(struct imap_session *s, const struct search_needs *needs, bool charset)
{
	if (s->manner.uidonly && needs->numbers)
		imap_finish(s, "BAD [UIDREQUIRED] Message numbers are not used any more.");
	else if (charset && s->manner.utf8)
		imap_finish(s, "BAD Strings are UTF-8, no charset is named.");
	else
		return true;
	return false;
}

static void
find(struct imap_session *s, const struct search_return *r, struct search_key *program,
	const struct search_needs *needs, struct sort_key *order, size_t order_count)
{
	bool     relevancy = r->relevancy || sort_by_relevancy(order, order_count);
	size_t  *positions, count;
	uint32_t lowest = 0;

	if (!search_may_score(s, relevancy, needs)) {
		forget_saved(s, r);
		return;
	}
	if (relevancy)
		program->scores = arena_alloc(s->arena, s->view.count + 1);
	for (size_t i = 0; i < order_count; i++)
		order[i].scores = program->scores;

	if (r->update && context_is_known(s, s->command.tag)) {
		imap_finish(s, "BAD That tag has a search that is kept up to date.");
		return;
	}
	search_resolve(program, &s->view);
	if (needs->modseq && !imap_has_modseq(s))
		return;
	if (needs->modseq)
		imap_use_modseq(s);
	s->numbered |= needs->numbers;
	if (order && !search_may_sort(s, program))
		return;
	search_candidates(s, &s->view, program, &positions, &count);
	imap_limit(s, &positions, &count, &lowest);
	search_run_among(s, s->folder, &s->view, program, positions, count, &positions, &count);
	struct search_found found = {.view = &s->view, .positions = positions, .count = count,
		.scores = program->scores, .uid = s->command.uid, .modseq = needs->modseq, .sorted = order != NULL};

	if (order)
		sort_positions(s, s->folder, &s->view, order, order_count, positions, count);
	if (r->update && relevancy)
		context_refuse(s); /* RFC 5267, 4.3.1: scores are of the moment */
	else if (r->update)
		context_keep(s, &found); /* before "$" changes, which it may name */
	search_save(s, r, &found);
	search_tell(s, r, &found);
	if (lowest)
		imap_finish_synced(s, "OK [MESSAGELIMIT %d %u] Search completed in part.", imap_config.message_limit, lowest);
	else
		imap_finish_synced(s, "OK %s completed.", order ? "Sort" : "Search");
}

void
do_search(struct imap_session *s)
{
	const struct argument *a = s->command.arguments;
	struct search_return   r;
	struct search_key     *program;
	struct search_needs    needs;
	struct search_filters  filters = search_filters_of(s);

	if (search_return_parse(s, &a, &r) < 0)
		return;
	if (search_parse(s->arena, a, &filters, &program, &needs, &s->why) < 0) {
		if (search_refuse(s, &needs))
			forget_saved(s, &r);
		return;
	}
	if (may_run(s, &needs, argument_is_atom(a, "CHARSET")))
		find(s, &r, program, &needs, NULL, 0);
}

void
do_sort(struct imap_session *s)
{
	const struct argument *a = s->command.arguments;
	struct search_return   r;
	struct search_key     *program;
	struct search_needs    needs;
	struct search_filters  filters = search_filters_of(s);
	struct sort_key       *order;
	size_t                 count;

	if (search_return_parse(s, &a, &r) < 0)
		return;
	if (!sort_parse(s->arena, a, &order, &count) || !argument_is_astring(a->next)) {
		imap_finish(s, "BAD Invalid sort criteria.");
		return;
	}
	if (s->manner.rev2 && !argument_is_atom(s->command.arguments, "RETURN"))
		r = (struct search_return){0}; /* only SEARCH changed its answer */
	if (search_parse_with(s->arena, a->next->text, a->next->next, &filters, &program, &needs, &s->why) < 0) {
		if (search_refuse(s, &needs))
			forget_saved(s, &r);
		return;
	}
	if (may_run(s, &needs, false))
		find(s, &r, program, &needs, order, count);
}
