/* SPDX-License-Identifier: ISC */
/*
 * fuzz_imap.c - commands of an IMAP client: tree, sets, flags, FETCH items, search programs
 */
#include "../fuzz/fuzz.h"

#include "base/little_endian.h"
#include "base/sum.h"
#include "facts.h"
#include "fetch_items.h"
#include "flags.h"
#include "notify_request.h"
#include "search.h"
#include "append_url.h"
#include "sort.h"
#include "store/attributes.h"
#include "store/history.h"
#include "store/index_private.h"

static size_t
count_all(const struct argument *a, int depth)
{
	size_t n = 0;

	assert(depth <= GRAMMAR_DEPTH);
	for (; a; a = a->next)
		n += 1 + count_all(a->children, depth + 1);
	return n;
}

static void
fuzz_history(struct span in)
{
	struct history_entry entries[16];
	size_t               count;

	if (history_decode(in, entries, COUNT(entries), &count))
		assert(count * 29 == in.len);
}

static void
fuzz_notify(struct arena *arena, const struct argument *a)
{
	struct notify_request r;

	if (notify_parse(arena, a, &r, NULL) < 0)
		return;
	assert(r.count <= NOTIFY_GROUPS);
	for (size_t i = 0; i < r.count; i++) {
		const struct argument *name = r.groups[i].names;

		for (size_t k = 0; k < r.groups[i].name_count; k++, name = name->next)
			assert(argument_is_astring(name));
		assert(r.groups[i].filter > NOTIFY_SELECTED_DELAYED || !(r.groups[i].events & ~(unsigned)NOTIFY_MESSAGES));
	}
}

static void
fuzz_lender(struct span in)
{
	struct message m[16] = {0};
	size_t         count = in.len ? (unsigned char)in.at[0] % COUNT(m) : 0;
	struct span    names = span_from(in, 1 + count * sizeof *m), entries = span_first(span_from(in, 1), count * sizeof *m);
	struct lender  lender = {.names = names.at, .names_len = names.len};

	if (entries.len)
		memcpy(m, entries.at, entries.len);
	lender_is_sound(m, count, names.len);
	for (size_t i = 0; i < count; i++) { /* one that is not sound may lie there later */
		const char *name = lender_name(&lender, &m[i]);

		assert(*name != '.' && !strchr(name, '/') && (m[i].base_len <= strlen(name) || !*name));
	}
}

static void
fuzz_rows(struct span in)
{
	struct index_rows    rows;
	autofree struct index_row *all = NULL;
	autotext struct text again = {0}, made = {0};
	struct index_rows    back;

	text_set(&again, in);
	little_endian_add(sum_bytes(in), 8, &again); /* one that is sound but for what it says */
	if (!index_rows_open(in, &rows) && !index_rows_open(text_span(&again), &rows))
		return;
	all = mem_array(rows.count, sizeof *all);
	for (size_t i = 0; i < rows.count; i++)
		index_rows_at(&rows, i, &all[i]);
	index_rows_make(all, rows.count, &made);
	assert(index_rows_open(text_span(&made), &back) && back.count == rows.count);
}

/* What was made is read as it was; and what is read of anything lies in it. */
static void
fuzz_parts(struct span in)
{
	size_t               third = in.len / 3;
	struct index_kept    kept[] = {{1, 2, third / 2, span_first(in, third)}, {9, 3, 0, span_from(in, third)}}, k;
	autotext struct text made = {0};
	struct index_parts   p;

	if (index_parts_open(in, &p))
		for (size_t i = 0; i < p.count; i++)
			if (index_parts_at(&p, i, &k))
				assert(k.first <= k.bytes.len && k.bytes.at >= p.bytes.at
					&& k.bytes.at + k.bytes.len <= p.bytes.at + p.bytes.len);
	index_parts_make(kept, COUNT(kept), &made);
	assert(index_parts_open(text_span(&made), &p) && p.count == COUNT(kept));
	for (size_t i = 0; i < p.count; i++)
		assert(index_parts_at(&p, i, &k) && k.uid == kept[i].uid && k.first == kept[i].first && span_equal(k.bytes, kept[i].bytes));
}

/* Places of an order: by UID, all of the piece that was asked for. */
static void
fuzz_places(struct span in)
{
	uint32_t             number = in.len < 4 ? 0 : (uint32_t)little_endian_take(in.at, 4) >> 8;
	autotext struct text sealed = {0};
	size_t               count;

	if (index_places_open(in, number, &count))
		assert(count <= 256 && count * INDEX_PLACE + INDEX_PLACES_SUM == in.len);
	text_set(&sealed, in);
	index_places_seal(&sealed);
	if (!index_places_open(text_span(&sealed), number, &count))
		return;
	assert(count <= 256 && count * INDEX_PLACE == in.len);
	for (size_t i = 0; i < count; i++) {
		struct index_place p, next = {0};

		index_places_at(in, i, &p);
		if (i + 1 < count)
			index_places_at(in, i + 1, &next);
		assert(p.uid >> 8 == number && (i + 1 == count || next.uid > p.uid));
	}
}

static void
fuzz_facts(struct span in)
{
	autotext struct text made = {0};
	struct header_facts         f;

	if (facts_decode(in, &f))
		assert(f.subject.len + f.id.len + f.references.len < in.len);
	facts_make(in, &made);
	assert(facts_decode(text_span(&made), &f));
	for (struct span id; facts_next_reference(&f.references, &id);)
		assert(id.len && !span_has(id, '>'));
	assert(f.references.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *arena = arena_new();
	struct span             in = span_at(data, size);
	struct command          c;

	fuzz_lender(in);
	fuzz_rows(in);
	fuzz_places(in);
	fuzz_facts(in);
	fuzz_parts(in);
	struct append_url       url;
	size_t                  end;

	if (grammar_append(in, &end))
		assert(end <= in.len);
	struct attributes       attributes;

	attributes_parse(in, &attributes);
	attributes_free(&attributes);
	append_url_parse(arena, in, &url, NULL);
	text_free(&url.mailbox);
	if (grammar_parse(arena, in, &c, NULL) < 0)
		return 0;
	assert(c.tag.len && c.tag.len <= GRAMMAR_TAG && c.verb.len);
	assert(count_all(c.arguments, 0) <= GRAMMAR_ARGUMENTS);
	if (c.count >= 1) {
		struct search_key *program;
		struct named_flags named;
		struct fetch_items items;
		struct sequence    set;
		struct search_needs needs;
		const struct argument *at = c.arguments;

		fuzz_notify(arena, c.arguments);
		search_parse(arena, c.arguments, NULL, &program, &needs, NULL);
		flags_parse(arena, c.arguments, &named, NULL);
		fetch_items_parse(arena, &at, &items, NULL);
		at = c.arguments->next;
		if (at)
			fetch_items_parse(arena, &at, &items, NULL);
		autotext struct text base = {0};
		bool                 reply;

		subject_base(in, &base, &reply);
		fuzz_history(in);
		if (sequence_parse(arena, c.arguments->text, &set)) {
			sequence_resolve(&set, 9);
			for (size_t i = 1; i < set.count; i++)
				assert(set.ranges[i - 1].last < set.ranges[i].first);
			assert(sequence_has(&set, set.ranges[0].first));
		}
	}
	return 0;
}
