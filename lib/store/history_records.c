/* SPDX-License-Identifier: ISC */
/*
 * history_records.c - how the index keeps a history: its header, and chunks of records
 *
 * Keys of a mailbox, P its prefix (index_private.h):
 *   \1h/P             "2 highest floor boot ahead": the last number given out, since when
 *                     expunges are known, when the machine started, what postern-modseq says
 *   \1C/P/<uid >> 8>  records of up to 256 UIDs: of each the UID (4), a hash of its base name (4), flags (1), keywords (8), the
 *                     mod-sequence (8) and the date of saving (8); and a sum of all that (8)
 *   \1v/P/<modseq>    pairs of UIDs: ranges expunged by that change (history_expunged.c)
 *   \1u/P             the highest UID that was given (4), and a sum of that (8) (history_uids.c)
 */
#include <stdio.h>

#include "base/sum.h"
#include "store/history_private.h"

enum { ENTRY = 33, SUM = 8 };

void
history_encode(const struct history_entry *e, size_t count, struct text *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < count; i++) {
		little_endian_add(e[i].uid, 4, out);
		little_endian_add(e[i].hash, 4, out);
		little_endian_add(e[i].flags, 1, out);
		little_endian_add(e[i].keywords, 8, out);
		little_endian_add(e[i].modseq, 8, out);
		little_endian_add((uint64_t)e[i].saved, 8, out);
	}
	if (count)
		little_endian_add(sum_bytes(span_from(text_span(out), start)), SUM, out);
}

bool
history_decode(struct span s, struct history_entry *out, size_t room, size_t *count)
{
	size_t n = s.len / ENTRY;

	if (s.len != n * ENTRY + SUM || n > room || little_endian_take(s.at + n * ENTRY, SUM) != sum_bytes(span_first(s, n * ENTRY)))
		return false;
	for (size_t i = 0; i < n; i++) {
		out[i].uid = (uint32_t)take_number(&s, 4);
		out[i].hash = (uint32_t)take_number(&s, 4);
		out[i].flags = (uint8_t)take_number(&s, 1);
		out[i].keywords = take_number(&s, 8);
		out[i].modseq = take_number(&s, 8);
		out[i].saved = (int64_t)take_number(&s, 8);
		if (i > 0 && out[i].uid <= out[i - 1].uid)
			return false;
	}
	*count = n;
	return true;
}

bool
history_get(const struct recording *r, const char *key, struct span *value)
{
	MDB_val k = value_of(span_of(key)), v;

	if (mdb_get(r->txn, r->dbi, &k, &v) != 0)
		return false;
	*value = span_at(v.mv_data, v.mv_size);
	return true;
}

void
history_put(struct recording *r, const char *key, struct span value)
{
	MDB_val k = value_of(span_of(key)), v = value_of(value);

	if (value.len)
		mdb_put(r->txn, r->dbi, &k, &v, 0);
	else
		mdb_del(r->txn, r->dbi, &k, NULL);
}

bool
history_get_header(struct recording *r)
{
	char        key[HISTORY_KEY];
	struct span value, word;
	uint64_t    n[4];

	snprintf(key, sizeof key, "\1h/%s", r->prefix);
	if (!history_get(r, key, &value) || !span_next(&value, " ", &word) || !span_is(word, "2"))
		return false;
	for (size_t i = 0; i < COUNT(n); i++)
		if (!span_next(&value, " ", &word) || !span_number(word, &n[i]))
			return false;
	r->header = (struct header){n[0], n[1], n[2], n[3]};
	return true;
}

void
history_put_header(struct recording *r)
{
	char                 key[HISTORY_KEY];
	autotext struct text value = {0};

	snprintf(key, sizeof key, "\1h/%s", r->prefix);
	text_add_format(&value, "2 %llu %llu %llu %llu", (unsigned long long)r->header.highest,
		(unsigned long long)r->header.floor, (unsigned long long)r->header.boot,
		(unsigned long long)r->header.ahead);
	history_put(r, key, text_span(&value));
}

void
history_chunk_key(const struct recording *r, uint32_t number, char key[HISTORY_KEY])
{
	snprintf(key, HISTORY_KEY, "\1C/%s/%06x", r->prefix, number);
}

size_t
history_get_chunk(const struct recording *r, uint32_t number, struct history_entry *out)
{
	char        key[HISTORY_KEY];
	struct span value;
	size_t      count = 0;

	history_chunk_key(r, number, key);
	if (!history_get(r, key, &value) || !history_decode(value, out, HISTORY_CHUNK, &count))
		return 0;
	return count;
}

/* Of a chunk's key, whose last six bytes are that; UINT32_MAX: it is not one like `key`. */
static uint32_t
chunk_number(MDB_val k, const char *key)
{
	struct span found = span_at(k.mv_data, k.mv_size);
	size_t      len = strlen(key), stem = len - 6;
	uint32_t    n = 0;

	if (found.len != len || memcmp(found.at, key, stem) != 0)
		return UINT32_MAX;
	for (size_t i = stem; i < len; i++) {
		char c = found.at[i];

		if (!ascii_digit(c) && (c < 'a' || c > 'f'))
			return UINT32_MAX; /* a disk changed it: any number would do, also one that leads back */
		n = n * 16 + (uint32_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return n;
}

uint32_t
history_next_chunk(const struct recording *r, MDB_cursor *cursor, uint32_t number)
{
	char    key[HISTORY_KEY];
	MDB_val k, v;

	history_chunk_key(r, number, key);
	k = value_of(span_of(key));
	return mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) == 0 ? chunk_number(k, key) : UINT32_MAX;
}

uint32_t
history_last_chunk(const struct recording *r)
{
	char        key[HISTORY_KEY];
	MDB_cursor *cursor;
	MDB_val     k, v;
	int         code;

	if (mdb_cursor_open(r->txn, r->dbi, &cursor) != 0)
		return UINT32_MAX;
	history_chunk_key(r, UINT32_MAX / HISTORY_CHUNK, key); /* no message has one so high */
	k = value_of(span_of(key));
	code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	code = mdb_cursor_get(cursor, &k, &v, code == 0 ? MDB_PREV : MDB_LAST);
	mdb_cursor_close(cursor);
	return code == 0 ? chunk_number(k, key) : UINT32_MAX;
}
