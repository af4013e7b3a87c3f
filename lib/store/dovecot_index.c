/* SPDX-License-Identifier: ISC */
/*
 * dovecot_index.c - keywords that Dovecot keeps in its index alone
 *
 * An index is a header (its fields below), headers of extensions, and records;
 * the extension "keywords" has a list of names, and bits in each record.  A log
 * is a header and changes: size, type, content.  Sizes of changes are written
 * seven bits a byte, in units of four bytes, so that a torn one is seen.
 *
 * The files are the owner's, who may write anything into them: work grows with
 * their size alone.  A range of a change costs the logarithm of the messages.
 * One file is held at a time, and none that is larger than so many messages make it.
 */
#include "store/dovecot_index.h"

#include <stdlib.h>

#include "store/small_file.h"

enum {
	LARGEST = 64 << 20, NAME_MOST = 1024,
	/* Dovecot's records have some 20 to 60 bytes, and it rotates a log of a megabyte after some minutes */
	INDEX_LEAST = 4 << 20, LOG_LEAST = 16 << 20, BYTES_A_MESSAGE = 256,

	INDEX_MAJOR = 7, LOG_MAJOR = 1, LITTLE_ENDIAN_FLAG = 1,
	/* offsets in the header of an index */
	AT_BASE_SIZE = 2, AT_HEADER_SIZE = 4, AT_RECORD_SIZE = 8, AT_COMPAT = 12, AT_ID = 16, AT_VALIDITY = 24,
	AT_COUNT = 32, AT_LOG_SEQUENCE = 60, AT_LOG_HEAD = 68, INDEX_HEADER_LEAST = 72,
	/* in that of an extension */
	EXT_SIZE = 0, EXT_RECORD_OFFSET = 8, EXT_RECORD_SIZE = 10, EXT_NAME_SIZE = 14, EXT_HEADER = 16,
	/* in that of a log */
	LOG_HEADER_SIZE = 2, LOG_ID = 4, LOG_SEQUENCE = 8, LOG_HEADER_LEAST = 24,

	CHANGE_TYPE = 0x0fffffff, CHANGE_HEADER = 0x20, CHANGE_KEYWORDS = 0x400, CHANGE_KEYWORDS_RESET = 0x800,
	MODIFY_ADD = 0, MODIFY_REMOVE = 1,
};

static uint32_t
number(struct span s, size_t at, size_t bytes)
{
	uint32_t value = 0;

	for (size_t i = 0; i < bytes && at + i < s.len; i++)
		value |= (uint32_t)(unsigned char)s.at[at + i] << 8 * i;
	return value;
}

static size_t
padded(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* The bit of a name; 0: not wanted, or no room. */
static uint64_t
bit_of(struct extra_keywords *k, struct span name)
{
	if (name.len == 0 || span_has(name, '\0') || span_has(name, '\n') || !k->is_wanted(name, k->context))
		return 0;
	for (size_t i = 0; i < k->names; i++)
		if (span_is_nocase(name, k->name[i]))
			return (uint64_t)1 << i;
	if (k->names == EXTRA_NAMES)
		return 0;
	k->name[k->names] = mem_span(name);
	return (uint64_t)1 << k->names++;
}

static size_t
first_from(const struct extra_keywords *k, uint32_t uid)
{
	size_t low = 0, high = k->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ------------------------------------------------------------ the index */

/* The extension's names as bits of ours, in their order. */
static size_t
take_names(struct span header, struct extra_keywords *k, uint64_t *bits, size_t room)
{
	size_t      count = number(header, 0, 4);
	struct span names;

	if (count > header.len / 8)
		return 0;
	names = span_from(header, 4 + 8 * count);
	for (size_t i = 0; i < count && i < room; i++) {
		struct span rest = span_first(span_from(names, number(header, 4 + 8 * i + 4, 4)), NAME_MOST), name;

		bits[i] = span_split(&rest, '\0', &name) ? bit_of(k, name) : 0;
	}
	return count < room ? count : room;
}

static void
take_record(struct span record, size_t offset, size_t size, const uint64_t *bits, size_t count, struct extra_keywords *k)
{
	uint32_t uid = number(record, 0, 4);
	size_t   at = first_from(k, uid);

	if (at == k->count || k->messages[at].uid != uid)
		return;
	for (size_t i = 0; i < count && i < size * 8; i++)
		if (number(record, offset + i / 8, 1) & 1u << i % 8)
			k->messages[at].names |= bits[i];
}

static void
take_records(struct span index, size_t offset, size_t size, const uint64_t *bits, size_t count, struct extra_keywords *k)
{
	size_t      record_size = number(index, AT_RECORD_SIZE, 4), records = number(index, AT_COUNT, 4);
	struct span rest = span_from(index, number(index, AT_HEADER_SIZE, 4));

	if (record_size < 5 || offset + size > record_size)
		return;
	for (size_t i = 0; i < records && rest.len >= record_size; i++) {
		take_record(span_first(rest, record_size), offset, size, bits, count, k);
		rest = span_from(rest, record_size);
	}
}

static void
take_index(struct span index, struct extra_keywords *k)
{
	struct span header = span_first(index, number(index, AT_HEADER_SIZE, 4));
	size_t      at = padded(number(index, AT_BASE_SIZE, 2), 8);
	uint64_t    bits[256];

	while (at + EXT_HEADER <= header.len) {
		struct span ext = span_from(header, at);
		size_t      name_size = number(ext, EXT_NAME_SIZE, 2), size = number(ext, EXT_SIZE, 4);
		size_t      content = padded(EXT_HEADER + name_size, 8);

		if (size > header.len)
			return;
		if (span_is(span_first(span_from(ext, EXT_HEADER), name_size), "keywords")) {
			size_t count = take_names(span_first(span_from(ext, content), size), k, bits, COUNT(bits));

			take_records(index, number(ext, EXT_RECORD_OFFSET, 2), number(ext, EXT_RECORD_SIZE, 2), bits, count, k);
			return;         /* there is one of a name */
		}
		at += content + padded(size, 8);
	}
}

static bool
is_index(struct span index, uint32_t validity)
{
	return index.len >= INDEX_HEADER_LEAST && index.at[0] == INDEX_MAJOR && index.at[AT_COMPAT] & LITTLE_ENDIAN_FLAG
		&& number(index, AT_VALIDITY, 4) == validity;
}

/* ------------------------------------------------------------ the log */

/* What is to become of the bits of some messages: taken off, then set. */
struct fate { uint64_t clear, set; };

/* A tree of halves over the messages. What a range covers wholly is noted at one place, and goes down to the halves
 * before a later change concerns but a part of them. */
struct fates {
	struct extra_keywords *k;
	struct fate           *at;       /* 1 is the root, 2n and 2n+1 its halves; NULL: nothing was changed; owned */
	size_t                 leaves;
};

static void
fate_add(struct fate *f, struct fate more)
{
	f->clear |= more.clear;
	f->set = (f->set & ~more.clear) | more.set;
}

static void
fate_hand_down(struct fates *f, size_t node)
{
	fate_add(&f->at[2 * node], f->at[node]);
	fate_add(&f->at[2 * node + 1], f->at[node]);
	f->at[node] = (struct fate){0, 0};
}

/* Of the messages from `first` to before `end`; the node has those from `low` to before `high`. */
static void
fate_note(struct fates *f, size_t node, size_t low, size_t high, size_t first, size_t end, struct fate more)
{
	size_t middle = low + (high - low) / 2;

	if (end <= low || high <= first)
		return;
	if (first <= low && high <= end) {
		fate_add(&f->at[node], more);
		return;
	}
	fate_hand_down(f, node);
	fate_note(f, 2 * node, low, middle, first, end, more);
	fate_note(f, 2 * node + 1, middle, high, first, end, more);
}

static void
change_ranges(struct fates *f, struct span ranges, uint64_t clear, uint64_t set)
{
	if (!f->at && ranges.len >= 8 && f->k->count) {
		for (f->leaves = 1; f->leaves < f->k->count; f->leaves *= 2)
			;
		f->at = mem_array(2 * f->leaves, sizeof *f->at);
	}
	for (; f->at && ranges.len >= 8; ranges = span_from(ranges, 8)) {
		uint32_t last = number(ranges, 4, 4);

		fate_note(f, 1, 0, f->leaves, first_from(f->k, number(ranges, 0, 4)),
			last == UINT32_MAX ? f->k->count : first_from(f->k, last + 1), (struct fate){clear, set});
	}
}

static void
fates_come_true(struct fates *f)
{
	for (size_t node = 1; f->at && node < f->leaves; node++)
		fate_hand_down(f, node);
	for (size_t i = 0; f->at && i < f->k->count; i++) {
		struct extra_message *m = &f->k->messages[i];

		m->names = (m->names & ~f->at[f->leaves + i].clear) | f->at[f->leaves + i].set;
	}
	free(take(f->at));
}

static void
take_keyword_change(struct span change, struct fates *f)
{
	size_t      size = number(change, 2, 2);
	struct span name = span_first(span_from(change, 4), size), ranges = span_from(change, padded(4 + size, 4));
	uint64_t    bit = name.len == size && size < NAME_MOST ? bit_of(f->k, name) : 0;

	if (bit == 0)
		return;
	if (number(change, 0, 1) == MODIFY_ADD)
		change_ranges(f, ranges, 0, bit);
	else if (number(change, 0, 1) == MODIFY_REMOVE)
		change_ranges(f, ranges, bit, 0);
	else
		change_ranges(f, ranges, ~(uint64_t)0, bit);
}

/* UIDVALIDITY stands in the index's header, and a log that has no index yet writes it there. */
static void
note_validity(struct span change, uint32_t *validity)
{
	while (change.len >= 4) {
		size_t offset = number(change, 0, 2), size = number(change, 2, 2);

		if (offset <= AT_VALIDITY && offset + size >= AT_VALIDITY + 4)
			*validity = number(change, 4 + AT_VALIDITY - offset, 4);
		change = span_from(change, padded(4 + size, 4));
	}
}

/* With the size field itself; 0: it is not written yet, or is none. */
static size_t
change_size(struct span s)
{
	size_t size = 0;

	for (size_t i = 0; i < 4; i++) {
		if (!(s.at[i] & 0x80))
			return 0;
		size = size << 7 | (s.at[i] & 0x7f);
	}
	size <<= 2;
	return size < 8 || size > s.len ? 0 : size;
}

static void
take_log(struct span log, size_t from, uint32_t *validity, struct fates *f)
{
	struct span rest = span_from(log, from);
	size_t      size;

	while (rest.len >= 8 && (size = change_size(rest)) > 0) {
		uint32_t    type = number(rest, 4, 4) & CHANGE_TYPE;
		struct span change = span_cut(rest, 8, size);

		if (type == CHANGE_HEADER)
			note_validity(change, validity);
		else if (type == CHANGE_KEYWORDS && *validity == f->k->validity)
			take_keyword_change(change, f);
		else if (type == CHANGE_KEYWORDS_RESET && *validity == f->k->validity)
			change_ranges(f, change, ~(uint64_t)0, 0);
		rest = span_from(rest, size);
	}
}

static bool
is_log(struct span log)
{
	return log.len >= LOG_HEADER_LEAST && log.at[0] == LOG_MAJOR;
}

/* One file after the other. */
struct reading {
	struct extra_keywords *k;
	struct fates           changes;
	uint32_t               validity, sequence, head, id;
};

static bool
begin_reading(struct reading *r, struct span index, struct extra_keywords *k)
{
	*r = (struct reading){.k = k, .changes.k = k};
	if (!is_index(index, k->validity))
		return index.len == 0;
	take_index(index, k);
	r->validity = k->validity;
	r->sequence = number(index, AT_LOG_SEQUENCE, 4);
	r->head = number(index, AT_LOG_HEAD, 4);
	r->id = number(index, AT_ID, 4);
	return true;
}

static void
read_log(struct reading *r, struct span log)
{
	uint32_t its = number(log, LOG_SEQUENCE, 4);

	if (is_log(log) && (!r->id || number(log, LOG_ID, 4) == r->id) && its >= r->sequence)
		take_log(log, its == r->sequence ? r->head : number(log, LOG_HEADER_SIZE, 2), &r->validity, &r->changes);
}

static bool
end_reading(struct reading *r)
{
	fates_come_true(&r->changes);
	return r->validity == r->k->validity;
}

bool
dovecot_index_parse(struct span index, struct span old_log, struct span log, struct extra_keywords *k)
{
	struct reading r;

	if (!begin_reading(&r, index, k))
		return false;
	read_log(&r, old_log);
	read_log(&r, log);
	return end_reading(&r);
}

/* What is missing, too large or no file counts as empty. */
static void
read_one(int dir, const char *name, size_t least, size_t messages, struct text *out)
{
	size_t more = messages < LARGEST / BYTES_A_MESSAGE ? messages * BYTES_A_MESSAGE : LARGEST;

	text_free(out);
	if (small_file_read(dir, name, least + more < LARGEST ? least + more : LARGEST, out, NULL, NULL) < 0)
		text_clear(out);
}

bool
dovecot_index_read(int dir, struct extra_keywords *k)
{
	autotext struct text file = {0};
	struct reading       r;

	read_one(dir, "dovecot.index", INDEX_LEAST, k->count, &file);
	if (!begin_reading(&r, text_span(&file), k))
		return false;
	read_one(dir, "dovecot.index.log.2", LOG_LEAST, k->count, &file);
	read_log(&r, text_span(&file));
	read_one(dir, "dovecot.index.log", LOG_LEAST, k->count, &file);
	read_log(&r, text_span(&file));
	return end_reading(&r);
}

void
extra_keywords_free(struct extra_keywords *k)
{
	for (size_t i = 0; i < k->names; i++)
		free(k->name[i]);
	k->names = 0;
}
