/* SPDX-License-Identifier: ISC */
/* test_facts.c - what the index keeps of a header for SORT, THREAD and SENTSINCE (RFC 5256) */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/little_endian.h"
#include "base/mem.h"
#include "facts.h"
#include "store/index_private.h"

static void
check(const char *header, struct header_facts expected, const char *subject, const char *id, const char *references)
{
	autotext struct text bytes = {0};
	struct header_facts         f;

	facts_make(span_of(header), &bytes);
	ck_assert_msg(facts_decode(text_span(&bytes), &f), "%s", text_string(&bytes));
	ck_assert(f.has_sent == expected.has_sent && f.is_reply == expected.is_reply);
	ck_assert_msg(f.sent == expected.sent && f.sent_day == expected.sent_day, "%lld %lld", (long long)f.sent, (long long)f.sent_day);
	ck_span(f.subject, subject);
	ck_span(f.id, id);
	ck_span(f.references, references);
}

UNIT_TEST(facts_of_headers)
{
	check("Date: Sat, 1 Jan 2000 00:30:00 +0100\nSubject: Re: [list] Hello\n\n",
		(struct header_facts){.has_sent = true, .is_reply = true, .sent = 946683000, .sent_day = 10957}, "HELLO", "", "");
	/* before 1970; the first field of a name counts */
	check("Date: 31 Dec 1969 23:00:00 +0000\nDate: 1 Jan 2000 00:00:00 +0000\n\n",
		(struct header_facts){.has_sent = true, .sent = -3600, .sent_day = -1}, "", "", "");
	check("Date: never\nMessage-ID: none\nReferences: <> <a@b> (<c@d>)\n <e<f@g>\nIn-Reply-To: <x@y>\n\n",
		(struct header_facts){0}, "", "", "a@b>c@d>e<f@g>");
	check("message-id: <1@x> <2@x>\nIn-Reply-To: <x@y> <z@y>\n\n", (struct header_facts){0}, "", "1@x", "x@y>");
	check("", (struct header_facts){0}, "", "", "");
}

UNIT_TEST(references_one_by_one)
{
	struct span rest = SPAN("a@b>c@d>"), id;

	ck_assert(facts_next_reference(&rest, &id));
	ck_span(id, "a@b");
	ck_assert(facts_next_reference(&rest, &id));
	ck_span(id, "c@d");
	ck_assert(!facts_next_reference(&rest, &id));
}

UNIT_TEST(broken_facts_are_none)
{
	static const struct { size_t at; char byte; } wrongs[] = { /* form, flags, lengths, ends of ids */
		{0, 'a'}, {1, 4}, {18, 2}, {18, 0}, {21, 1}, {22, 3}, {25, -1}, {26, 9}, {29, -1}, {34, 'x'}, {38, 'x'}};
	autotext struct text bytes = {0};
	struct header_facts  f;

	facts_make(SPAN("Subject: s\nMessage-ID: <a@b>\nReferences: <c@d>\n\n"), &bytes);
	ck_assert(facts_decode(text_span(&bytes), &f) && bytes.len == 39);
	for (size_t i = 0; i < COUNT(wrongs); i++) {
		autotext struct text other = {0};

		text_add(&other, text_span(&bytes));
		other.at[wrongs[i].at] = wrongs[i].byte;
		ck_assert_msg(!facts_decode(text_span(&other), &f), "row %zu", i);
	}
	for (size_t i = 0; i < bytes.len; i++)
		ck_assert(!facts_decode(span_first(text_span(&bytes), i), &f));
}

static const struct index_record full = {.numbers = {.has_date = true, .date = 7, .has_full_size = true, .full_size = 9},
	.envelope = SPAN("(e)"), .body = SPAN("(b)"), .structure = SPAN("(s)"), .fields = SPAN("A: b\n"), .facts = SPAN("facts")};

/* Two messages in one record; whatever byte is changed, no message is other than it was: it is as it was, or not there. */
UNIT_TEST(damaged_parts_are_unknown)
{
	static const struct index_kept two[] = {{16, 5, 3, SPAN("(b)(s)")}, {31, 6, 0, SPAN("another, of more than one word of the sum, and a bit")}};
	autotext struct text           bytes = {0};
	struct index_parts             p;
	struct index_kept              k;

	index_parts_make(two, COUNT(two), &bytes);
	ck_assert(index_parts_open(text_span(&bytes), &p) && p.count == 2);
	for (size_t i = 0; i < COUNT(two); i++) {
		ck_assert(index_parts_at(&p, i, &k) && k.uid == two[i].uid && k.hash == two[i].hash && k.first == two[i].first);
		ck_assert(span_equal(k.bytes, two[i].bytes));
	}
	for (size_t at = 0; at < bytes.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			size_t whole = 0;

			bytes.at[at] ^= (char)(1 << bit);
			for (size_t i = 0; index_parts_open(text_span(&bytes), &p) && i < p.count; i++)
				if (index_parts_at(&p, i, &k)) {
					ck_assert_msg(i < 2 && k.uid == two[i].uid && k.hash == two[i].hash && k.first == two[i].first
						&& span_equal(k.bytes, two[i].bytes), "byte %zu, bit %d", at, bit);
					whole++;
				}
			ck_assert_msg(whole < 2, "byte %zu, bit %d", at, bit);
			bytes.at[at] ^= (char)(1 << bit);
		}
	for (size_t i = 0; i < bytes.len; i++) /* cut off */
		if (index_parts_open(span_first(text_span(&bytes), i), &p))
			ck_assert(!index_parts_at(&p, 1, &k));
}

UNIT_TEST(damaged_rows_are_unknown)
{
	static const struct index_row two[] = {{16, 5, {.has_date = true, .date = 7}}, {31, 6, {.has_sent = true, .sent_form = 'b', .sent = -1, .sent_day = -1}}};
	autotext struct text          bytes = {0};
	struct index_rows             r;
	struct index_row              row;

	index_rows_make(two, COUNT(two), &bytes);
	ck_assert(index_rows_open(text_span(&bytes), &r) && r.count == 2);
	index_rows_at(&r, 1, &row);
	ck_assert(row.uid == 31 && row.hash == 6 && !row.numbers.has_date && row.numbers.has_sent);
	ck_assert(row.numbers.sent_form == 'b' && row.numbers.sent == -1 && row.numbers.sent_day == -1);
	for (size_t at = 0; at < bytes.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			bytes.at[at] ^= (char)(1 << bit);
			ck_assert_msg(!index_rows_open(text_span(&bytes), &r), "byte %zu, bit %d", at, bit);
			bytes.at[at] ^= (char)(1 << bit);
		}
	for (size_t i = 0; i < bytes.len; i++)
		ck_assert(!index_rows_open(span_first(text_span(&bytes), i), &r));
}

static void
ck_row(struct index_batch *b, uint32_t uid, const char *base, int64_t date, const char *facts)
{
	struct index_record  r = {0};
	struct index_numbers n;

	ck_assert_msg(index_row(b, uid, index_base_hash(span_of(base)), &n), "%u", uid);
	ck_assert(n.has_date && n.date == date && !n.has_full_size);
	ck_assert_msg(index_get(b, uid, index_base_hash(span_of(base)), INDEX_FACTS, &r), "%u", uid);
	ck_span(r.facts, facts);
}

UNIT_TEST(rows_are_found_in_any_order)
{
	char                 root[] = "/tmp/test_facts_XXXXXX";
	autofree char       *command = NULL;
	struct folder        f = {.name = (char *)"", .list.validity = 5};
	struct index_record  r = {.numbers.has_date = true};
	struct index_numbers row;
	struct index        *x;
	struct index_batch  *b;
	struct fault         why = {0};

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_msg(maildir_open(root, MAILDIR_CREATE, &f.maildir, &why) == 0, "%s", fault_text(&why));
	ck_assert_ptr_nonnull(x = index_open(root, NULL));
	for (int round = 0; round < 2; round++) { /* the second adds to what is there, and replaces some */
		b = index_begin(x, &f);
		for (uint32_t uid = 600; uid > (uint32_t)round * 300; uid -= 2) {
			autofree char *base = mem_format("%u.x", uid - (uint32_t)round), *facts = mem_format("f%d", round);

			r.numbers.date = uid;
			r.facts = span_of(facts);
			index_put(b, uid - (uint32_t)round, index_base_hash(span_of(base)), 1u << INDEX_FACTS, &r);
		}
		r.facts = SPAN("last");
		r.numbers.date = 7;
		index_put(b, 254, index_base_hash(SPAN("254.x")), 1u << INDEX_FACTS, &r);
		index_end(b);
	}
	b = index_begin(x, &f);
	ck_row(b, 2, "2.x", 2, "f0");
	ck_row(b, 4, "4.x", 4, "f0");
	ck_row(b, 599, "599.x", 600, "f1");
	ck_row(b, 600, "600.x", 600, "f0");
	ck_row(b, 254, "254.x", 7, "last");
	ck_row(b, 4, "4.x", 4, "f0");
	ck_row(b, 4, "4.x", 4, "f0");
	ck_assert(!index_row(b, 3, index_base_hash(SPAN("3.x")), &row) && !index_row(b, 4, index_base_hash(SPAN("4.y")), &row) && !index_row(b, 9999, index_base_hash(SPAN("4.x")), &row));
	index_end(b);
	index_close(x);
	maildir_close(f.maildir);
	command = mem_format("rm -rf %s", root);
	ck_assert(system(command) == 0);
}

/* ---- orders (store/index.h) ---- */

struct shop { char root[32]; struct folder f; struct index *x; };

static void
open_shop(struct shop *s)
{
	struct fault why = {0};

	*s = (struct shop){.root = "/tmp/test_facts_XXXXXX", .f = {.name = (char *)"", .list.validity = 5}};
	ck_assert_ptr_nonnull(mkdtemp(s->root));
	ck_assert_msg(maildir_open(s->root, MAILDIR_CREATE, &s->f.maildir, &why) == 0, "%s", fault_text(&why));
	ck_assert_ptr_nonnull(s->x = index_open(s->root, NULL));
}

static void
close_shop(struct shop *s)
{
	autofree char *command = mem_format("rm -rf %s", s->root);

	index_close(s->x);
	maildir_close(s->f.maildir);
	ck_assert(system(command) == 0);
}

static size_t
count_keys(struct index *x, const char *front)
{
	MDB_txn    *txn;
	MDB_cursor *cursor;
	MDB_val     k, v;
	size_t      n = 0;

	ck_assert_int_eq(index_transaction(x, MDB_RDONLY, &txn), 0);
	ck_assert_int_eq(mdb_cursor_open(txn, x->dbi, &cursor), 0);
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
		n += span_starts(span_at(k.mv_data, k.mv_size), front);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return n;
}

/* As builds wrote it before records had sums; P is the mailbox's prefix. */
static void
put_old(struct shop *s, const char *before, const char *prefix, const char *uid)
{
	autofree char *key = mem_format("%s%s/%s", before, prefix, uid);
	MDB_val        k = {strlen(key), key}, v = {20, (void *)"4 7 9 4 0 0 0 0\nbase"};
	MDB_txn       *txn;

	ck_assert_int_eq(index_transaction(s->x, 0, &txn), 0);
	ck_assert_int_eq(mdb_put(txn, s->x->dbi, &k, &v, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
}

/* A part is written and read without the others; what older builds wrote goes when this mailbox is written to. */
UNIT_TEST(parts_are_kept_apart)
{
	static const char *const olds[] = {"", "\1e/", "\1b/", "\1s/", "\1f/"};
	struct shop              s;
	struct index_batch      *b;
	struct index_record      r = {0};
	struct index_numbers     row;
	char                     prefix[INDEX_PREFIX];

	open_shop(&s);
	index_prefix(&s.f, prefix);
	for (size_t i = 0; i < COUNT(olds); i++) {
		put_old(&s, olds[i], prefix, "00000009");
		put_old(&s, olds[i], prefix, "0000000a");
		put_old(&s, olds[i], "another/5", "0000000a");
	}
	b = index_begin(s.x, &s.f);
	ck_assert(!index_get(b, 9, index_base_hash(SPAN("base")), INDEX_ENVELOPE, &r) && !index_row(b, 9, index_base_hash(SPAN("base")), &row));
	index_put(b, 9, index_base_hash(SPAN("base")), 1u << INDEX_ENVELOPE | 1u << INDEX_FIELDS, &full);
	index_end(b);
	for (size_t i = 0; i < COUNT(olds); i++) {
		autofree char *mine = mem_format("%s%s/", olds[i], prefix), *others = mem_format("%sanother/5/", olds[i]);

		ck_assert_uint_eq(count_keys(s.x, mine), 0);
		ck_assert_uint_eq(count_keys(s.x, others), 1);
	}
	b = index_begin(s.x, &s.f);
	ck_assert(index_get(b, 9, index_base_hash(SPAN("base")), INDEX_ENVELOPE, &r) && r.fields.len == 0);
	ck_span(r.envelope, "(e)");
	ck_assert(!index_get(b, 9, index_base_hash(SPAN("base")), INDEX_STRUCTURE, &r) && index_get(b, 9, index_base_hash(SPAN("base")), INDEX_FIELDS, &r));
	ck_span(r.fields, "A: b\n");
	ck_assert(!index_get(b, 10, index_base_hash(SPAN("base")), INDEX_FIELDS, &r) && !index_get(b, 9, index_base_hash(SPAN("bass")), INDEX_FIELDS, &r));
	ck_assert(index_row(b, 9, index_base_hash(SPAN("base")), &row) && row.date == 7 && row.full_size == 9);
	index_end(b);
	close_shop(&s);
}

/* What is learnt of a large mailbox is not all held in memory until the end, rows without parts neither. */
UNIT_TEST(rows_are_written_by_and_by)
{
	struct shop          s;
	struct index_batch  *b, *other;
	struct index_record  r = {.numbers.has_date = true};
	struct index_numbers row = {0};

	open_shop(&s);
	b = index_begin(s.x, &s.f);
	for (uint32_t uid = 1; uid <= 100000; uid++) {
		r.numbers.date = uid;
		index_put(b, uid, 5, 0, &r);
	}
	other = index_begin(s.x, &s.f);
	ck_assert(index_row(other, 9, 5, &row) && row.date == 9);
	index_end(other);
	index_end(b);
	other = index_begin(s.x, &s.f);
	ck_assert(index_row(other, 100000, 5, &row) && row.date == 100000);
	index_end(other);
	close_shop(&s);
}

/* 40 messages, so that each part has several records. */
static void
put_forty(struct shop *s, uint32_t from, uint32_t step, const char *word)
{
	struct index_batch *b = index_begin(s->x, &s->f);

	for (uint32_t uid = from; uid <= 40; uid += step) {
		autofree char      *e = mem_format("(e %u %s)", uid, word), *t = mem_format("(s %u %s)", uid, word);
		struct index_record r = {.envelope = span_of(e), .body = SPAN("(b)"), .structure = span_of(t)};

		index_put(b, uid, index_base_hash(SPAN("base")), 1u << INDEX_ENVELOPE | 1u << INDEX_STRUCTURE, &r);
	}
	index_end(b);
}

static void
ck_forty(struct shop *s, uint32_t uid, const char *word)
{
	struct index_batch *b = index_begin(s->x, &s->f);
	autofree char      *e = mem_format("(e %u %s)", uid, word), *t = mem_format("(s %u %s)", uid, word);
	struct index_record r = {0};

	ck_assert_msg(index_get(b, uid, index_base_hash(SPAN("base")), INDEX_ENVELOPE, &r), "%u", uid);
	ck_span(r.envelope, e);
	ck_assert(index_get(b, uid, index_base_hash(SPAN("base")), INDEX_STRUCTURE, &r));
	ck_span(r.body, "(b)");
	ck_span(r.structure, t);
	index_end(b);
}

/* Turns a byte of every record with that beginning of its key over. */
static void
damage(struct index *x, const char *front, size_t from_end)
{
	MDB_txn    *txn;
	MDB_cursor *cursor;
	MDB_val     k, v;

	ck_assert_int_eq(index_transaction(x, 0, &txn), 0);
	ck_assert_int_eq(mdb_cursor_open(txn, x->dbi, &cursor), 0);
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
		if (span_starts(span_at(k.mv_data, k.mv_size), front)) {
			autofree char *copy = mem_span(span_at(v.mv_data, v.mv_size));

			copy[v.mv_size - from_end] ^= 64;
			v.mv_data = copy;
			ck_assert_int_eq(mdb_cursor_put(cursor, &k, &v, MDB_CURRENT), 0);
		}
	mdb_cursor_close(cursor);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
}

/* A byte that went over on the disk costs the message that it is of; who writes it anew has it again, and nobody else's is lost. */
UNIT_TEST(damage_costs_one_message)
{
	struct shop          s;
	struct index_batch  *b;
	struct index_record  r = {0};
	struct index_numbers n;

	open_shop(&s);
	put_forty(&s, 1, 2, "first");
	put_forty(&s, 2, 2, "second"); /* into the same records */
	put_forty(&s, 4, 4, "third");
	ck_forty(&s, 13, "first");
	ck_forty(&s, 14, "second");
	ck_forty(&s, 16, "third");
	damage(s.x, "\1E/", 2); /* of the last message in each */
	b = index_begin(s.x, &s.f);
	ck_assert(!index_get(b, 15, index_base_hash(SPAN("base")), INDEX_ENVELOPE, &r) && !index_get(b, 31, index_base_hash(SPAN("base")), INDEX_ENVELOPE, &r)
		&& !index_get(b, 40, index_base_hash(SPAN("base")), INDEX_ENVELOPE, &r));
	ck_assert(index_get(b, 15, index_base_hash(SPAN("base")), INDEX_STRUCTURE, &r) && index_row(b, 15, index_base_hash(SPAN("base")), &n));
	index_end(b);
	ck_forty(&s, 14, "second");
	put_forty(&s, 15, 16, "fourth"); /* 15 and 31 */
	ck_forty(&s, 15, "fourth");
	ck_forty(&s, 31, "fourth");
	ck_forty(&s, 14, "second");
	ck_forty(&s, 16, "third");
	damage(s.x, "\1R/", 20);
	b = index_begin(s.x, &s.f);
	ck_assert(!index_row(b, 15, index_base_hash(SPAN("base")), &n) && !index_row(b, 1, index_base_hash(SPAN("base")), &n));
	index_end(b);
	put_forty(&s, 15, 16, "fifth");
	b = index_begin(s.x, &s.f);
	ck_assert(index_row(b, 15, index_base_hash(SPAN("base")), &n) && !index_row(b, 1, index_base_hash(SPAN("base")), &n));
	index_end(b);
	close_shop(&s);
}

/* Of UIDs first, first + step ...; its generation when it was read before. */
static uint64_t
put_order(struct shop *s, const char *name, uint32_t first, uint32_t step, size_t count, bool whole, uint64_t add)
{
	struct index_batch          *b = index_begin(s->x, &s->f);
	autofree struct index_place *places = mem_array(count + 1, sizeof *places);
	struct index_order           before;

	for (size_t i = 0; i < count; i++) {
		uint32_t       uid = first + (uint32_t)i * step;
		autofree char *base = mem_format("%u.x", uid);

		places[i] = (struct index_place){uid, index_place_hash(span_of(base)), uid + add};
	}
	index_order_get(b, name, &before);
	index_order_put(b, name, before.generation, whole, places, count);
	index_end(b);
	free(before.at);
	return before.generation;
}

/* UIDs and ranks of all. */
static void
ck_order(struct shop *s, const char *name, const char *expected)
{
	struct index_batch  *b = index_begin(s->x, &s->f);
	struct index_order   order;
	autotext struct text told = {0};

	index_order_get(b, name, &order);
	for (size_t i = 0; i < order.count; i++)
		text_add_format(&told, "%s%u:%llu", i ? " " : "", order.at[i].uid, (unsigned long long)order.at[i].rank);
	ck_span(text_span(&told), expected);
	free(order.at);
	index_end(b);
}

static bool
has_place(struct index_batch *b, uint32_t uid, const char *base, uint64_t *rank)
{
	return index_place(b, "o", uid, span_of(base), rank);
}

UNIT_TEST(orders_are_kept_and_added_to)
{
	struct shop         s;
	struct index_batch *b;
	uint64_t            rank = 0;

	open_shop(&s);
	ck_order(&s, "o", "");
	put_order(&s, "o", 200, 50, 5, true, 0);              /* two pieces */
	put_order(&s, "other", 7, 1, 1, true, 0);
	ck_order(&s, "o", "200:200 250:250 300:300 350:350 400:400");
	put_order(&s, "o", 100, 150, 3, false, 1000);
	ck_order(&s, "o", "100:1100 200:200 250:1250 300:300 350:350 400:1400");
	ck_order(&s, "other", "7:7");
	b = index_begin(s.x, &s.f);
	ck_assert(has_place(b, 400, "400.x", &rank) && rank == 1400 && has_place(b, 100, "100.x", &rank) && rank == 1100);
	ck_assert(has_place(b, 100, "100.x", &rank) && has_place(b, 300, "300.x", &rank) && rank == 300);
	ck_assert(!has_place(b, 300, "other name", &rank) && !has_place(b, 101, "101.x", &rank) && !has_place(b, 9999, "9999.x", &rank));
	ck_assert(index_place(b, "other", 7, SPAN("7.x"), &rank) && !has_place(b, 7, "7.x", &rank) && has_place(b, 200, "200.x", &rank));
	index_end(b);
	put_order(&s, "o", 5000, 1, 2, true, 0);
	ck_order(&s, "o", "5000:5000 5001:5001");
	ck_order(&s, "other", "7:7");
	s.f.list.validity++;                                  /* another mailbox */
	ck_order(&s, "o", "");
	close_shop(&s);
}

UNIT_TEST(a_rank_that_a_disk_changed_is_none)
{
	autotext struct text bytes = {0};
	size_t               count;

	for (uint32_t uid = 300; uid < 303; uid++) {
		little_endian_add(uid, 4, &bytes);
		little_endian_add(7, 4, &bytes);
		little_endian_add(uid * 100, 8, &bytes);
	}
	index_places_seal(&bytes);
	ck_assert(index_places_open(text_span(&bytes), 1, &count) && count == 3);
	ck_assert(!index_places_open(text_span(&bytes), 2, &count));
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.at[i] ^= 4;
		ck_assert(!index_places_open(text_span(&bytes), 1, &count));
		bytes.at[i] ^= 4;
		ck_assert(!index_places_open(span_first(text_span(&bytes), i), 1, &count));
	}
	ck_assert(!index_places_open(SPAN_NONE, 0, &count));
}

/* Ranks that were made for what is not there any more are not written. */
UNIT_TEST(an_order_that_changed_meanwhile_is_left_alone)
{
	struct shop         s;
	struct index_place  p = {9, 9, 9};
	struct index_order  before;
	struct index_batch *b;

	open_shop(&s);
	put_order(&s, "o", 1, 1, 2, true, 0);
	b = index_begin(s.x, &s.f);
	index_order_get(b, "o", &before);
	put_order(&s, "o", 3, 1, 1, false, 0);
	index_order_put(b, "o", before.generation, true, &p, 1);
	index_end(b);
	ck_order(&s, "o", "1:1 2:2 3:3");
	b = index_begin(s.x, &s.f);
	index_order_put(b, "o", 0, true, &p, 1);              /* of one who saw none */
	index_end(b);
	ck_order(&s, "o", "1:1 2:2 3:3");
	free(before.at);
	close_shop(&s);
}

UNIT_MAIN("imapd/facts", orders_are_kept_and_added_to, a_rank_that_a_disk_changed_is_none, an_order_that_changed_meanwhile_is_left_alone, rows_are_found_in_any_order, facts_of_headers, references_one_by_one, broken_facts_are_none, damaged_parts_are_unknown, damaged_rows_are_unknown, parts_are_kept_apart, rows_are_written_by_and_by, damage_costs_one_message)
