/* SPDX-License-Identifier: ISC */
/*
 * history_dates.c - when messages came into their mailbox (RFC 8514)
 *
 * What comes while a mailbox is known is dated then: by its file's last change (ctime), since COPY and MOVE keep name and mtime.
 * To ask each file of a mailbox that is looked at for the first time took a third of that, and mostly nobody wants to know.
 * So these are recorded undated (0) and dated when somebody asks, or before this server moves that time itself: flags
 * are in the name, and a copy is a link.  A date is never earlier than the truth; once it was told it stays.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/folder_private.h"
#include "store/history_private.h"

enum { DATED_AT_ONCE = 64 };     /* chunks, for who asks: 16,384 messages are 40 ms, and one transaction */

bool
history_file_changed(const struct folder *f, const struct message *m, int64_t *seconds)
{
	struct stat st;

	if (fstatat(m->in_new ? f->new_dir : f->cur_dir, message_name(f, m), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*seconds = st.st_ctim.tv_sec;
	return true;
}

uint32_t
history_hash(const struct folder *f, const struct message *m)
{
	return (uint32_t)index_base_hash(message_base(f, m));
}

static bool
begin(struct folder *f, bool write, struct recording *r)
{
	memset(r, 0, offsetof(struct recording, old));
	r->folder = f;
	if (!f->index || index_transaction(f->index, write ? 0 : MDB_RDONLY, &r->txn) != 0)
		return false;
	r->dbi = f->index->dbi;
	index_prefix(f, r->prefix);
	return true;
}

static bool
has_undated(struct recording *r, uint32_t number)
{
	size_t n = history_get_chunk(r, number, r->old);

	for (size_t i = 0; i < n; i++)
		if (!r->old[i].saved)
			return true;
	return false;
}

/* As others recorded it meanwhile, but for what has no date. */
static void
date_chunk(struct recording *r, uint32_t number)
{
	size_t               n = history_get_chunk(r, number, r->old);
	bool                 changed = false;
	char                 key[HISTORY_KEY];
	autotext struct text value = {0};

	for (size_t i = 0; i < n; i++) {
		const struct message *m = r->old[i].saved ? NULL : folder_find(r->folder, r->old[i].uid);

		changed |= m && history_hash(r->folder, m) == r->old[i].hash && history_file_changed(r->folder, m, &r->old[i].saved);
	}
	if (!changed)
		return;
	history_encode(r->old, n, &value);
	history_chunk_key(r, number, key);
	history_put(r, key, text_span(&value));
}

/* Who cannot write does not go through all files again for the next message. */
static void
date_chunks(struct folder *f, const uint32_t *numbers, size_t count)
{
	autofree struct recording *r = mem_alloc(sizeof *r);

	if (count == 0 || f->undatable)
		return;
	f->undatable = true;
	if (!begin(f, true, r))
		return;
	for (size_t i = 0; i < count; i++)
		date_chunk(r, numbers[i]);
	f->undatable = index_commit(f->index, r->txn) != 0;
}

void
history_date(struct folder *f, const uint32_t *uids, size_t count)
{
	autofree struct recording *r = mem_alloc(sizeof *r);
	autofree uint32_t         *undated = mem_array(count + 1, sizeof *undated);
	size_t                     n = 0;

	if (!begin(f, false, r))
		return;
	for (size_t i = 0; i < count; i++) {
		uint32_t number = uids[i] / HISTORY_CHUNK;

		if ((i == 0 || number != uids[i - 1] / HISTORY_CHUNK) && has_undated(r, number))
			undated[n++] = number;
	}
	mdb_txn_abort(r->txn);
	date_chunks(f, undated, n);
}

/* Its chunk, and some of the next: who asks for one will mostly ask for those. */
static void
date_from(struct folder *f, uint32_t uid)
{
	uint32_t numbers[DATED_AT_ONCE], number = uid / HISTORY_CHUNK;
	size_t   count = 0;

	for (;;) {
		numbers[count++] = number;
		size_t next = folder_position(f, (uint64_t)(number + 1) * HISTORY_CHUNK);

		if (count == COUNT(numbers) || next >= f->count)
			break;
		number = f->messages[next].uid / HISTORY_CHUNK;
	}
	date_chunks(f, numbers, count);
}

/* As it is recorded; `undated`: it is recorded, and that is missing. */
static bool
find_date(struct folder *f, uint32_t uid, int64_t *seconds, bool *undated)
{
	autofree struct recording *r = mem_alloc(sizeof *r);
	const struct message      *m = folder_find(f, uid);
	int64_t                    date = 0;

	*undated = false;
	if (!m || !begin(f, false, r))
		return false;
	size_t n = history_get_chunk(r, uid / HISTORY_CHUNK, r->old), i = 0;

	while (i < n && r->old[i].uid != uid)
		i++;
	if (i < n && r->old[i].hash == history_hash(f, m))
		*undated = !(date = r->old[i].saved);
	mdb_txn_abort(r->txn);
	if (date)
		*seconds = date;
	return date != 0;
}

static bool
date_it(struct folder *f, uint32_t uid, int64_t *seconds)
{
	bool undated;

	if (find_date(f, uid, seconds, &undated))
		return true;
	if (!undated || f->undatable)
		return false;
	date_from(f, uid);
	return find_date(f, uid, seconds, &undated);
}

bool
history_saved(struct folder *f, uint32_t uid, int64_t *seconds)
{
	struct stat st;
	int         fd;

	if (date_it(f, uid, seconds))
		return true;
	if (folder_message_file(f, uid, &fd, &st, NULL) < 0) /* which finds it under another name */
		return false;
	close(fd);
	if (!date_it(f, uid, seconds)) /* no index, or it takes nothing now */
		*seconds = st.st_ctim.tv_sec;
	return true;
}
