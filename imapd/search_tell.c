/* SPDX-License-Identifier: ISC */
/*
 * search_tell.c - what a search found, as the client wants it (RFC 4731, 5182, 5267, 9394)
 */
#include <stdlib.h>

#include "base/clock.h"
#include "imap_config.h"
#include "mail/imap_body.h"
#include "metadata.h"
#include "names.h"
#include "search_run.h"

enum { PROGRESS_MS = 10000 };

void
progress_start(struct progress *p, struct imap_session *s)
{
	*p = (struct progress){s, clock_after(PROGRESS_MS)};
}

void
progress_tell(struct progress *p, size_t done, size_t all)
{
	struct imap_session *s = p->session;

	conn_deadline(s->conn, clock_after(imap_config.timeout));
	if (clock_left(p->next) > 0)
		return;
	p->next = clock_after(PROGRESS_MS);
	if (s->command.tag.len && span_find_any(s->command.tag, "\"\\") < 0)
		imap_say(s, "* OK [INPROGRESS (\"%.*s\" %zu %zu)] Still at it.", SPAN_ARGS(s->command.tag), done, all);
	imap_flush_out(s);
	if (conn_flush(s->conn, NULL) < 0)
		s->over = true;
}

static bool
parse_update_items(struct imap_session *s, const struct argument *list, struct search_return *r)
{
	if (fetch_items_parse(s->arena, &list, &r->items, &s->why) == 0)
		return true;
	fault_clear(&s->why);
	return false;
}

int
search_return_parse(struct imap_session *s, const struct argument **at, struct search_return *r)
{
	const struct argument *list;
	const struct {
		const char *name;
		bool       *on;
	} options[] = {{"MIN", &r->min}, {"MAX", &r->max}, {"ALL", &r->all}, {"COUNT", &r->count},
		{"SAVE", &r->save}, {"RELEVANCY", &r->relevancy}, {"CONTEXT", &r->context}}; /* CONTEXT is a hint that nothing follows from here */

	*r = (struct search_return){.given = s->manner.rev2, .all = s->manner.rev2};
	if (!argument_is_atom(*at, "RETURN"))
		return 0;
	list = (*at)->next;
	*r = (struct search_return){.given = true};
	if (!list || list->type != ARGUMENT_LIST || !list->next) {
		imap_bad_arguments(s);
		return -1;
	}
	*at = list->next;
	for (const struct argument *a = list->children; a; a = a->next) {
		bool known = false;

		for (size_t i = 0; i < COUNT(options); i++)
			if (argument_is_atom(a, options[i].name))
				known = *options[i].on = true;
		if (argument_is_atom(a, "PARTIAL") && a->next && a->next->type == ARGUMENT_ATOM && !r->partial) {
			known = (r->partial = sequence_partial(a->next->text, &r->from, &r->to));
			a = a->next;
		}
		if (argument_is_atom(a, "UPDATE") && !r->update) {
			known = r->update = true;
			if (a->next && a->next->type == ARGUMENT_LIST) {
				a = a->next;
				known = r->fetches = parse_update_items(s, a, r);
			}
		}
		if (!known) {
			imap_finish(s, "BAD Unknown result option.");
			return -1;
		}
	}
	if (r->partial && r->all) { /* RFC 9394, 3.1 */
		imap_bad_arguments(s);
		return -1;
	}
	r->all |= !r->min && !r->max && !r->count && !r->save && !r->partial && !r->relevancy;
	return 0;
}

bool
search_refuse(struct imap_session *s, const struct search_needs *needs)
{
	if (needs->no_filter)
		imap_finish(s, "NO [UNDEFINED-FILTER %.*s] There is no such filter.", SPAN_ARGS(needs->filter));
	else if (needs->filter_charset) /* RFC 5466, 3.1 */
		imap_finish(s, "BAD [BADCHARSET (US-ASCII UTF-8)] Filters are in UTF-8.");
	else if (needs->charset_bad)
		imap_finish(s, "NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset.");
	else
		imap_finish(s, "BAD %s.", fault_text(&s->why));
	return needs->no_filter || needs->charset_bad;
}

bool
search_may_score(struct imap_session *s, bool relevancy, const struct search_needs *needs)
{
	if (!relevancy || needs->fuzzy)
		return true;
	imap_finish(s, "BAD RELEVANCY is of programs with FUZZY.");
	return false;
}

static const struct argument *
find_filter(void *context, struct span name)
{
	struct imap_session    *s = context;
	static const char *const places[] = {"/private/filters/values/", "/shared/filters/values/"};
	struct attributes       all;
	struct argument        *program = NULL;
	size_t                  count = 0;

	if (attributes_read(s->maildir, &all, NULL) < 0)
		return NULL;
	for (size_t i = 0; !program && i < COUNT(places); i++) {
		autotext struct text entry = {0}, key = {0};
		const struct attribute *a = NULL;

		text_add_string(&entry, places[i]);
		text_add(&entry, name);
		if (metadata_is_entry(text_span(&entry)) && metadata_key(s, &s->mine, NULL, text_span(&entry), false, &key))
			a = attributes_find(&all, text_span(&key));
		if (a && grammar_parse_list(s->arena, arena_span(s->arena, text_span(&a->value)), &program, &count,
			NULL) < 0)
			program = NULL;
	}
	attributes_free(&all);
	return program;
}

bool
search_is_program(struct imap_session *s, struct span text)
{
	struct search_filters filters = search_filters_of(s);
	struct search_needs   needs = {0};
	struct search_key    *program;
	struct argument      *list;
	size_t                count;
	struct fault          why = {0};
	bool                  good = grammar_parse_list(s->arena, arena_span(s->arena, text), &list, &count, &why) == 0
		&& (search_parse_with(s->arena, SPAN_NONE, list, &filters, &program, &needs, &why) == 0 || needs.no_filter);

	fault_clear(&why);
	return good;
}

struct search_filters
search_filters_of(struct imap_session *s)
{
	return (struct search_filters){find_filter, s};
}

static uint32_t
number(const struct search_found *f, size_t i)
{
	return f->uid ? f->view->at[f->positions[i]].uid : (uint32_t)f->positions[i] + 1;
}

/* In the order of a SORT ranges must not be joined. */
static void
add_numbers(struct imap_session *s, const struct search_found *f, const size_t *positions, size_t count)
{
	struct search_found some = *f;
	uint32_t           *numbers = arena_alloc(s->arena, (count + 1) * sizeof *numbers);

	some.positions = positions;
	for (size_t i = 0; i < count; i++)
		numbers[i] = number(&some, i);
	if (!f->sorted) {
		qsort(numbers, count, sizeof *numbers, sequence_compare);
		sequence_add(numbers, count, &s->out);
		return;
	}
	for (size_t i = 0; i < count; i++)
		text_add_format(&s->out, "%s%u", i ? "," : "", numbers[i]);
}

/* RFC 6203, 4: in the order of the results. */
static void
add_scores(struct imap_session *s, const struct search_found *f, const size_t *positions, size_t count)
{
	text_add_string(&s->out, " RELEVANCY (");
	for (size_t i = 0; i < count; i++)
		text_add_format(&s->out, "%s%u", i ? " " : "", f->scores[positions[i]]);
	text_add_byte(&s->out, ')');
}

static uint64_t
modseq_at(const struct search_found *f, size_t i)
{
	return f->view->at[f->positions[i]].modseq;
}

/* RFC 7162, 3.1.10: of what is returned. */
static uint64_t
highest(const struct search_return *r, const struct search_found *f)
{
	uint64_t most = 0;

	for (size_t i = 0; i < f->count; i++) {
		bool told = r->all || r->count || r->partial || r->relevancy || !r->given || (r->min && i == 0)
			|| (r->max && i + 1 == f->count);

		if (told && modseq_at(f, i) > most)
			most = modseq_at(f, i);
	}
	return most;
}

static void
tell_old(struct imap_session *s, const struct search_return *r, const struct search_found *f)
{
	text_add_string(&s->out, f->sorted ? "* SORT" : "* SEARCH");
	for (size_t i = 0; i < f->count; i++) {
		text_add_byte(&s->out, ' ');
		imap_add_number(number(f, i), &s->out);
	}
	if (f->modseq && f->count)
		text_add_format(&s->out, " (MODSEQ %llu)", (unsigned long long)highest(r, f));
	imap_say(s, "%s", "");
}

void
search_tell(struct imap_session *s, const struct search_return *r, const struct search_found *f)
{
	struct text *out = &s->out;

	if (!r->given) {
		tell_old(s, r, f);
		return;
	}
	if (r->save && !r->min && !r->max && !r->all && !r->count && !r->partial && !r->relevancy)
		return; /* RFC 5182, 2.1: nothing is told */
	text_add_string(out, "* ESEARCH (TAG ");
	imap_add_string(s->command.tag, out);
	if (f->mailbox.len) {
		text_add_string(out, " MAILBOX ");
		name_tell(s, f->mailbox, out);
		text_add_format(out, " UIDVALIDITY %u", f->validity);
	}
	text_add_string(out, f->uid ? ") UID" : ")");
	if (r->min && f->count)
		text_add_format(out, " MIN %u", number(f, 0));
	if (r->max && f->count)
		text_add_format(out, " MAX %u", number(f, f->count - 1));
	if (r->count)
		text_add_format(out, " COUNT %zu", f->count);
	if (r->all && f->count) {
		text_add_string(out, " ALL ");
		add_numbers(s, f, f->positions, f->count);
	}
	if (r->partial) {
		size_t *page = (size_t *)f->positions, count = f->count;

		imap_page(r->from, r->to, &page, &count);
		text_add_format(out, " PARTIAL (%lld:%lld ", (long long)r->from, (long long)r->to);
		if (count)
			add_numbers(s, f, page, count);
		else
			text_add_string(out, "NIL");
		text_add_byte(out, ')');
		if (r->relevancy && count)
			add_scores(s, f, page, count);
	} else if (r->relevancy && f->count) {
		add_scores(s, f, f->positions, f->count);
	}
	if (f->modseq && f->count)
		text_add_format(out, " MODSEQ %llu", (unsigned long long)highest(r, f));
	imap_say(s, "%s", "");
}

void
search_forget_saved(struct imap_session *s)
{
	free(take(s->saved));
	s->saved_count = 0;
}

void
search_save(struct imap_session *s, const struct search_return *r, const struct search_found *f)
{
	bool    all = r->all || r->count || (!r->partial && !r->min && !r->max);
	size_t *page = (size_t *)f->positions, on_page = r->partial ? f->count : 0;

	if (!r->save)
		return;
	if (r->partial) /* RFC 9394: what is told is saved, unless the number of all is told, too */
		imap_page(r->from, r->to, &page, &on_page);
	free(s->saved);
	s->saved = mem_array(f->count + 1, sizeof *s->saved);
	s->saved_count = 0;
	for (size_t i = 0; i < f->count; i++)
		if (all || (r->min && i == 0) || (r->max && i + 1 == f->count)
			|| (f->positions + i >= page && f->positions + i < page + on_page))
			s->saved[s->saved_count++] = f->view->at[f->positions[i]].uid;
	qsort(s->saved, s->saved_count, sizeof *s->saved, sequence_compare);
}
