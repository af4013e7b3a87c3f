/* SPDX-License-Identifier: ISC */
/*
 * snapshot.c - a mailbox as it was looked at last, kept in the index
 *
 * Keys of a mailbox, P its prefix (index_private.h):
 *   \1s/P             "1 count next", times of new/ and cur/ and of the look, and the uidlist's
 *                     inode, size and time
 *   \1n/P/<uid >> 8>  UID (4), length of the base (1), of the name (1), name; of up to 256 messages
 */
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/folder_private.h"
#include "store/index_private.h"
#include "store/watch.h"

enum { KEY = INDEX_PREFIX + 32, WORTH = 50, NUMBERS = 12, ENTRY_HEAD = 6 };

void
snapshot_encode(const struct message *m, size_t count, struct text *out)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(m[i].name);
		char   head[ENTRY_HEAD] = {(char)m[i].uid, (char)(m[i].uid >> 8), (char)(m[i].uid >> 16),
			(char)(m[i].uid >> 24), (char)m[i].base_len, (char)len};

		text_add(out, span_at(head, sizeof head));
		text_add(out, span_at(m[i].name, len));
	}
}

static bool
is_good_name(struct span name, size_t base_len)
{
	return base_len > 0 && base_len <= name.len && name.at[0] != '.' && !span_has(name, '/')
		&& !span_has(name, '\0') && (base_len == name.len || name.at[base_len] == ':');
}

bool
snapshot_decode(struct span bytes, struct snapshot_entry *out, size_t room, size_t *count)
{
	size_t n = 0;

	while (bytes.len) {
		const unsigned char *b = (const unsigned char *)bytes.at;

		if (n == room || bytes.len < ENTRY_HEAD || bytes.len < (size_t)ENTRY_HEAD + b[5])
			return false;
		out[n].uid = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
		out[n].base_len = b[4];
		out[n].name = span_cut(bytes, ENTRY_HEAD, (size_t)ENTRY_HEAD + b[5]);
		if (!is_good_name(out[n].name, b[4]) || out[n].uid == 0 || (n && out[n].uid <= out[n - 1].uid))
			return false;
		bytes = span_from(bytes, (size_t)ENTRY_HEAD + b[5]);
		n++;
	}
	*count = n;
	return true;
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
	text_add_format(out, "1 %zu %u", f->count, f->list.next);
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

/* Of the uidlist that is there now? */
static bool
parse_header(struct span value, const struct folder *f, size_t *count, uint32_t *next, struct folder_stamp *stamp)
{
	const struct stat *st = &f->list.seen;
	struct span        word;
	uint64_t           n[NUMBERS];

	if (!span_next(&value, " ", &word) || !span_is(word, "1"))
		return false;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!span_next(&value, " ", &word) || !span_number(word, &n[i]))
			return false;
	*count = (size_t)n[0];
	*next = (uint32_t)n[1];
	*stamp = (struct folder_stamp){time_of(n + 2), time_of(n + 4), time_of(n + 6)};
	return n[1] < UINT32_MAX && n[8] == st->st_ino && n[9] == (uint64_t)st->st_size
		&& n[10] == (uint64_t)st->st_mtim.tv_sec && n[11] == (uint64_t)st->st_mtim.tv_nsec;
}

/* ---- loading ---- */

static bool
add_chunk(struct folder *f, struct span value, size_t *room)
{
	struct snapshot_entry e[FOLDER_CHUNK];
	struct file_name      parsed;
	size_t                n;

	if (!snapshot_decode(value, e, COUNT(e), &n) || (n && e[0].uid <= f->highest))
		return false;
	if (f->count + n > *room) {
		*room = *room * 2 + FOLDER_CHUNK;
		f->messages = mem_grow(f->messages, *room, sizeof *f->messages);
	}
	for (size_t i = 0; i < n; i++) {
		struct message *m = &f->messages[f->count++];

		file_name_parse_info(e[i].name, &parsed);
		*m = (struct message){.uid = e[i].uid, .flags = (uint8_t)parsed.flags, .keywords = parsed.keywords,
			.base_len = e[i].base_len, .name = mem_span(e[i].name)};
		f->highest = m->uid;
	}
	return true;
}

static bool
add_chunks(struct folder *f, MDB_txn *txn, const char *prefix, size_t count)
{
	char        stem[KEY];
	int         len = snprintf(stem, sizeof stem, "\1n/%s/", prefix), code;
	MDB_cursor *cursor;
	MDB_val     k = {(size_t)len, stem}, v;
	size_t      room = 0;
	bool        good = true;

	if (mdb_cursor_open(txn, f->index->dbi, &cursor) != 0)
		return false;
	for (code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); good && code == 0 && k.mv_size > (size_t)len
		&& memcmp(k.mv_data, stem, (size_t)len) == 0; code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
		good = add_chunk(f, span_at(v.mv_data, v.mv_size), &room);
	mdb_cursor_close(cursor);
	return good && f->count == count;
}

static void
forget(struct folder *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->messages[i].name);
	free(take(f->messages));
	f->count = f->highest = 0;
}

bool
snapshot_load(struct folder *f)
{
	char                prefix[INDEX_PREFIX], key[KEY];
	struct folder_stamp stamp;
	MDB_txn            *txn;
	MDB_val             k = {0, key}, v;
	size_t              count;
	uint32_t            next;
	bool                loaded;

	if (!f->index || maildir_private(f->maildir) >= 0 || keywords_refresh(&f->keywords, f->dir, NULL) < 0
		|| folder_has_more_keywords(f->dir, &f->keywords) || !uidlist_peek(&f->list, f->dir))
		return false;
	index_prefix(f, prefix);
	k.mv_size = (size_t)snprintf(key, sizeof key, "\1s/%s", prefix);
	if (index_transaction(f->index, MDB_RDONLY, &txn) != 0)
		return false;
	loaded = mdb_get(txn, f->index->dbi, &k, &v) == 0
		&& parse_header(span_at(v.mv_data, v.mv_size), f, &count, &next, &stamp)
		&& add_chunks(f, txn, prefix, count);
	mdb_txn_abort(txn);
	if (!loaded || next <= f->highest) {
		forget(f);
		return false;
	}
	f->list.next = next;
	f->looked_to = next - 1;
	f->validity = f->list.validity;
	f->stamp = stamp;
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
