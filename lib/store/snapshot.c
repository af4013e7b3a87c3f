/* SPDX-License-Identifier: ISC */
/*
 * snapshot.c - a mailbox as it was looked at last, kept in the index
 *
 * Keys of a mailbox, P its prefix (index_private.h):
 *   \1s/P             "2 count next modseq", times of new/ and cur/ and of the look, and the uidlist's
 *                     inode, size and time; modseq is 0 where the history did not have all of it
 *   \1n/P/<uid >> 8>  of up to 256 messages: how many (2), of each UID (4), flags (1), lengths of base and
 *                     name (1, 1), keywords (8), modseq (8); then the names, a NUL behind each
 */
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/folder_private.h"
#include "store/index_private.h"
#include "store/little_endian.h"
#include "store/watch.h"

enum { KEY = INDEX_PREFIX + 32, WORTH = 50, NUMBERS = 13, COUNT_BYTES = 2, ENTRY = 23 };

void
snapshot_encode(const struct message *m, size_t count, struct text *out)
{
	char entry[ENTRY];

	little_endian_put(entry, count, COUNT_BYTES);
	text_add(out, span_at(entry, COUNT_BYTES));
	for (size_t i = 0; i < count; i++) {
		little_endian_put(entry, m[i].uid, 4);
		little_endian_put(entry + 4, m[i].flags, 1);
		little_endian_put(entry + 5, m[i].base_len, 1);
		little_endian_put(entry + 6, strlen(m[i].name), 1);
		little_endian_put(entry + 7, m[i].keywords, 8);
		little_endian_put(entry + 15, m[i].modseq, 8);
		text_add(out, span_at(entry, ENTRY));
	}
	for (size_t i = 0; i < count; i++)
		text_add(out, span_at(m[i].name, strlen(m[i].name) + 1));
}

static bool
is_good_name(const char *name, size_t len, size_t base_len)
{
	return base_len > 0 && base_len <= len && name[0] != '.' && memchr(name, '\0', len + 1) == name + len
		&& (base_len == len || name[base_len] == ':');
}

bool
snapshot_decode(struct span bytes, struct message *out, size_t room, size_t *count, struct span *names)
{
	size_t      n = bytes.len < COUNT_BYTES ? SIZE_MAX : (size_t)little_endian_take(bytes.at, COUNT_BYTES), at = 0;
	struct span entries;

	if (n > room || bytes.len < COUNT_BYTES + n * ENTRY)
		return false;
	entries = span_from(bytes, COUNT_BYTES);
	*names = span_from(entries, n * ENTRY);
	for (size_t i = 0; i < n; i++) {
		const char *e = entries.at + i * ENTRY;
		size_t      len = (unsigned char)e[6];

		out[i] = (struct message){.uid = (uint32_t)little_endian_take(e, 4), .flags = (uint8_t)e[4], .lent = true,
			.base_len = (uint8_t)e[5], .keywords = little_endian_take(e + 7, 8), .modseq = little_endian_take(e + 15, 8),
			.name = (char *)names->at + at};
		if (names->len - at <= len || !is_good_name(out[i].name, len, out[i].base_len) || out[i].uid == 0
			|| (i && out[i].uid <= out[i - 1].uid))
			return false;
		at += len + 1;
	}
	*count = n;
	return at == names->len && !span_has(*names, '/');
}

/* ---- the header ---- */

static void
put_time(struct timespec t, struct text *out)
{
	text_add_format(out, " %lld %ld", (long long)t.tv_sec, t.tv_nsec);
}

static void
format_header(const struct folder *f, const struct folder_stamp *stamp, struct text *out)
{
	bool recorded = !f->touched.all && f->touched.count == 0;

	text_add_format(out, "2 %zu %u %llu", f->count, f->list.next, recorded ? (unsigned long long)f->modseq : 0);
	put_time(stamp->changed_new, out);
	put_time(stamp->changed_cur, out);
	put_time(stamp->looked, out);
	text_add_format(out, " %llu %lld", (unsigned long long)f->list.seen.st_ino, (long long)f->list.seen.st_size);
	put_time(f->list.seen.st_mtim, out);
}

static struct timespec
time_of(const uint64_t *n)
{
	return (struct timespec){.tv_sec = (time_t)n[0], .tv_nsec = (long)n[1]};
}

struct header { size_t count; uint32_t next; uint64_t modseq; struct folder_stamp stamp; };

/* Of the uidlist that is there now? */
static bool
parse_header(struct span value, const struct folder *f, struct header *out)
{
	const struct stat *st = &f->list.seen;
	struct span        word;
	uint64_t           n[NUMBERS];

	if (!span_next(&value, " ", &word) || !span_is(word, "2"))
		return false;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!span_next(&value, " ", &word) || !span_number(word, &n[i]))
			return false;
	*out = (struct header){(size_t)n[0], (uint32_t)n[1], n[2], {time_of(n + 3), time_of(n + 5), time_of(n + 7)}};
	return n[1] < UINT32_MAX && n[9] == st->st_ino && n[10] == (uint64_t)st->st_size
		&& n[11] == (uint64_t)st->st_mtim.tv_sec && n[12] == (uint64_t)st->st_mtim.tv_nsec;
}

/* ---- loading ---- */

/* All chunks: their bytes together; with `f` they are added to it, up to `count` messages. */
static bool
walk_chunks(MDB_cursor *cursor, char *stem, size_t len, size_t *bytes, struct folder *f, size_t count)
{
	MDB_val     k = {len, stem}, v;
	struct span names;
	size_t      n, used = 0;

	for (int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); code == 0 && k.mv_size > len
		&& memcmp(k.mv_data, stem, len) == 0; code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		if (f) {
			struct message *m = f->messages + f->count;

			if (!snapshot_decode(span_at(v.mv_data, v.mv_size), m, count - f->count, &n, &names)
				|| (n && m[0].uid <= f->highest))
				return false;
			memcpy(f->names + used, names.at, names.len);
			for (size_t i = 0; i < n; i++)
				m[i].name = f->names + used + (m[i].name - names.at);
			used += names.len;
			f->count += n;
			f->highest = n ? m[n - 1].uid : f->highest;
		}
		*bytes += v.mv_size;
	}
	return true;
}

static bool
add_chunks(struct folder *f, MDB_txn *txn, const char *prefix, size_t count)
{
	char        stem[KEY];
	size_t      len = (size_t)snprintf(stem, sizeof stem, "\1n/%s/", prefix), bytes = 0;
	MDB_cursor *cursor;
	bool        good;

	if (mdb_cursor_open(txn, f->index->dbi, &cursor) != 0)
		return false;
	good = walk_chunks(cursor, stem, len, &bytes, NULL, 0) && count <= bytes / ENTRY;
	if (good) {
		f->messages = mem_array(count + 1, sizeof *f->messages);
		f->names = mem_array(bytes + 1, 1); /* more than names take */
		good = walk_chunks(cursor, stem, len, &bytes, f, count);
	}
	mdb_cursor_close(cursor);
	return good && f->count == count;
}

static void
forget(struct folder *f)
{
	folder_drop_messages(take(f->messages), f->count, take(f->names));
	f->count = f->highest = 0;
}

bool
snapshot_load(struct folder *f)
{
	char          prefix[INDEX_PREFIX], key[KEY];
	struct header h;
	MDB_txn      *txn;
	MDB_val       k = {0, key}, v;
	bool          loaded;

	if (!f->index || maildir_private(f->maildir) >= 0 || keywords_refresh(&f->keywords, f->dir, NULL) < 0
		|| folder_has_more_keywords(f->dir, &f->keywords) || !uidlist_peek(&f->list, f->dir))
		return false;
	index_prefix(f, prefix);
	k.mv_size = (size_t)snprintf(key, sizeof key, "\1s/%s", prefix);
	if (index_transaction(f->index, MDB_RDONLY, &txn) != 0)
		return false;
	loaded = mdb_get(txn, f->index->dbi, &k, &v) == 0
		&& parse_header(span_at(v.mv_data, v.mv_size), f, &h) && add_chunks(f, txn, prefix, h.count);
	mdb_txn_abort(txn);
	if (!loaded || h.next <= f->highest) {
		forget(f);
		return false;
	}
	f->list.next = h.next;
	f->looked_to = h.next - 1;
	f->validity = f->list.validity;
	f->stamp = h.stamp;
	f->modseq = h.modseq; /* of these messages: nothing else was recorded when the history says the same */
	f->touched.all = h.modseq == 0;
	f->scanned = f->is_kept = true;
	return true;
}

/* ---- saving ---- */

/* Puts what differs; false: the transaction failed. */
static bool
put_if_new(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, struct span value)
{
	MDB_val there, v = {value.len, (void *)value.at};

	if (mdb_get(txn, dbi, k, &there) == 0 && span_equal(span_at(there.mv_data, there.mv_size), value))
		return true;
	return mdb_put(txn, dbi, k, &v, 0) == 0;
}

/* Chunks in which no message is any more. */
static void
drop_chunks(const struct folder *f, MDB_txn *txn, const char *stem, size_t len)
{
	MDB_cursor *cursor;
	MDB_val     k = {len, (void *)stem}, v;
	size_t      at = 0;

	if (mdb_cursor_open(txn, f->index->dbi, &cursor) != 0)
		return;
	for (int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); code == 0 && k.mv_size == len + 6
		&& memcmp(k.mv_data, stem, len) == 0; code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		char     digits[7] = {0};
		uint32_t number;

		memcpy(digits, (const char *)k.mv_data + len, 6);
		number = (uint32_t)strtoul(digits, NULL, 16);
		while (at < f->count && f->messages[at].uid / FOLDER_CHUNK < number)
			at++;
		if (at == f->count || f->messages[at].uid / FOLDER_CHUNK != number)
			mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
}

static bool
put_chunks(const struct folder *f, MDB_txn *txn, const char *prefix)
{
	autotext struct text value = {0};
	char                 key[KEY];
	size_t               len = (size_t)snprintf(key, sizeof key, "\1n/%s/", prefix);

	drop_chunks(f, txn, key, len);
	for (size_t i = 0, from = 0; i < f->count; from = i) {
		uint32_t number = f->messages[i].uid / FOLDER_CHUNK;
		MDB_val  k = {len + 6, key};

		while (i < f->count && f->messages[i].uid / FOLDER_CHUNK == number)
			i++;
		text_clear(&value);
		snapshot_encode(f->messages + from, i - from, &value);
		snprintf(key + len, sizeof key - len, "%06x", number);
		if (!put_if_new(txn, f->index->dbi, &k, text_span(&value)))
			return false;
	}
	return true;
}

/* The times that belong to what is in memory; false: it cannot be told. */
static bool
find_stamp(struct folder *f, struct folder_stamp *stamp)
{
	uint64_t generation = f->generation;

	*stamp = folder_stamp(f);
	if (f->watch) { /* what was followed has no times yet: no event may come behind them */
		f->record = NULL;
		if (folder_follow(f, NULL) != 0 || f->generation != generation)
			return false;
	} else if (folder_stamp_differs(stamp, &f->stamp)) {
		return false;
	} else {
		*stamp = f->stamp;
	}
	return folder_stamp_is_settled(stamp);
}

void
snapshot_save(struct folder *f)
{
	char                 prefix[INDEX_PREFIX], key[KEY];
	autotext struct text header = {0};
	struct folder_stamp  stamp;
	MDB_txn             *txn;
	MDB_val              k = {0, key};

	if (!f->index || f->is_kept || !f->scanned || f->count < WORTH || f->seen || !f->list.guid[0] || f->list.broken
		|| f->list.foreign || f->list.unterminated || f->list.seen.st_ino == 0 || !find_stamp(f, &stamp))
		return;
	for (size_t i = 0; i < f->count; i++)
		if (f->messages[i].in_new || f->messages[i].base_len > 255)
			return;
	index_prefix(f, prefix);
	k.mv_size = (size_t)snprintf(key, sizeof key, "\1s/%s", prefix);
	format_header(f, &stamp, &header);
	if (index_transaction(f->index, 0, &txn) != 0)
		return;
	if (put_chunks(f, txn, prefix) && put_if_new(txn, f->index->dbi, &k, text_span(&header)))
		mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
}
