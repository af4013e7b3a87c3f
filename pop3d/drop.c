/* SPDX-License-Identifier: ISC */
/*
 * drop.c - INBOX as a maildrop: numbers, sizes, unique ids
 *
 * Order and unique ids follow dovecot-uidlist: a P field holds the UIDL that
 * clients know already, O the order they know (formats: compatible with what
 * Dovecot and its importers write).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "session.h"
#include "store/folder.h"
#include "store/lazy.h"
#include "store/location.h"
#include "store/quota.h"
#include "uidl.h"

enum { SESSION_LOCK_MS = 5000, SESSION_STALE = 300 };

void
drop_uidl(const struct drop *d, const struct drop_message *m, struct text *out)
{
	if (m->uidl.len)
		text_add(out, m->uidl);
	else
		uidl_format(pop3_config.uidl_format,
			&(struct uidl_values){m->uid, d->folder->list.validity, m->base, m->guid}, out);
	/* RFC 1939, 7: 1 to 70 characters from 0x21 to 0x7E */
	text_cut(out, 70);
	for (size_t i = 0; i < out->len; i++)
		if (out->at[i] < 0x21 || out->at[i] > 0x7e)
			out->at[i] = '_';
}

static void
source_close(struct source *s)
{
	if (s->fd >= 0)
		close(take_fd(s->fd));
	text_clear(&s->first);
	s->size = 0;
}

int
drop_read(struct drop *d, const struct drop_message *m, struct fault *why)
{
	struct source *s = &d->source;
	struct stat    st;

	source_close(s);
	if (folder_message_file(d->folder, m->uid, &s->fd, &st, why) < 0)
		return -1;
	if (folder_message_begin(d->folder, &s->fd, &st, &s->first, SOURCE_FIRST, why) < 0) {
		source_close(s);
		return fault_prefix(why, "UID %u", m->uid);
	}
	s->size = (uint64_t)st.st_size;
	return 0;
}

/* pop3_fast_size_lookups: as RFC 1939 does not want it, without the CRs. */
static int
size_on_disk(const struct drop *d, const struct message *from, const struct file_name *name, struct drop_message *m,
	struct fault *why)
{
	struct stat st;

	m->size = name->size;
	m->on_disk = true;
	if (name->has_size)
		return 0;
	if (fstatat(from->in_new ? d->folder->new_dir : d->folder->cur_dir, message_name(d->folder, from), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_errno(why, "stat %s", message_name(d->folder, from));
	m->size = (uint64_t)st.st_size;
	return 0;
}

static void
take_fields(struct drop_message *m, struct span fields, struct span base)
{
	struct span word;

	while (span_next(&fields, " ", &word)) {
		uint64_t n;

		if (span_starts(word, "P")) {
			m->has_field = true;
			m->uidl = word.len > 1 ? span_from(word, 1) : base;
		} else if (span_starts(word, "O") && span_number(span_from(word, 1), &n)) {
			m->order = n;
		}
	}
}

/* What another server gave its clients (and mbox kept): the first word of the header, as it is. */
static void
take_xuidl(struct drop *d, struct drop_message *m)
{
	struct span rest, line, word;

	if (drop_read(d, m, NULL) < 0)
		return;
	for (rest = text_span(&d->source.first); span_split(&rest, '\n', &line) && span_trim(line).len;)
		if (span_starts_nocase(line, "X-UIDL:")) {
			line = span_trim(span_from(line, 7));
			if (span_next(&line, " \t", &word) && word.len <= 70)
				m->uidl = arena_span(d->arena, word);
			return;
		}
}

static int
add_message(struct drop *d, const struct message *from, struct fault *why)
{
	struct drop_message *m = &d->messages[d->count];
	struct file_name     name;
	ptrdiff_t            record;

	*m = (struct drop_message){.uid = from->uid, .order = UINT64_MAX, .uidl = SPAN_NONE};
	m->base = arena_span(d->arena, message_base(d->folder, from));
	m->guid = arena_span(d->arena, folder_guid(d->folder, from));
	m->seen = from->flags & MESSAGE_SEEN;
	file_name_parse(span_of(message_name(d->folder, from)), &name);
	m->size = name.full_size;
	m->sized = name.has_full_size;
	record = uidlist_find(&d->folder->list, m->base);
	if (record >= 0)
		take_fields(m, arena_span(d->arena, d->folder->list.records[record].fields), m->base);
	if (!name.has_full_size)
		m->size = name.size;
	if (!name.has_full_size && pop3_config.fast_size_lookups && size_on_disk(d, from, &name, m, why) < 0) {
		if (why->error == ENOENT)
			return 0; /* gone meanwhile */
		return -1;
	}
	if (!m->uidl.len && pop3_config.reuse_xuidl)
		take_xuidl(d, m);
	d->count++;
	return 0;
}

static int
by_order(const void *a, const void *b)
{
	const struct drop_message *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* RFC 2449, 6.5. The time of the last login is that of a file in the mailbox; a refused one does not count. */
static int
check_delay(const struct drop *d, struct fault *why)
{
	struct stat   st;
	int64_t       now = time(NULL), delay = pop3_config.login_delay / 1000;
	autoclose int fd = -1;

	if (delay == 0)
		return 0;
	fd = openat(maildir_root(d->maildir), "postern-pop3-login", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_errno(why, "postern-pop3-login");
	if (st.st_size && now >= st.st_mtim.tv_sec && now - st.st_mtim.tv_sec < delay)
		return fault_set(why, FAULT_DENIED, "logged in %lld s ago", (long long)(now - st.st_mtim.tv_sec));
	if (file_write_at(fd, SPAN("\n"), 0, why) < 0 || futimens(fd, NULL) < 0)
		return fault_errno(why, "postern-pop3-login");
	return 0;
}

/* pop3_save_uidl: what clients were told becomes the P field, and survives a change of the format. */
static int
save_uidls(struct drop *d, struct fault *why)
{
	autofree uint32_t    *uids = mem_array(d->count + 1, sizeof *uids);
	autofree struct span *ids = mem_array(d->count + 1, sizeof *ids);
	size_t                count = 0;

	for (size_t i = 0; i < d->count; i++) { /* by UID still */
		struct drop_message *m = &d->messages[i];
		autotext struct text id = {0};

		if (m->has_field)
			continue;
		drop_uidl(d, m, &id);
		m->uidl = arena_span(d->arena, text_span(&id));
		uids[count] = m->uid;
		ids[count++] = m->uidl;
	}
	return count ? folder_set_fields(d->folder, 'P', uids, ids, count, why) : 0;
}

static int
read_messages(struct drop *d, struct fault *why)
{
	struct folder *f = d->folder;

	d->hidden = *pop3_config.deleted_flag ? keywords_find(&f->keywords, span_of(pop3_config.deleted_flag)) : -1;
	d->messages = mem_array(f->count, sizeof *d->messages);
	d->uids = mem_array(f->count, sizeof *d->uids);
	d->uid_count = f->count;
	for (size_t i = 0; i < f->count; i++)
		d->uids[i] = f->messages[i].uid;
	for (size_t i = 0; i < d->uid_count; i++) {
		const struct message *m = folder_find(f, d->uids[i]); /* each that is opened may bring the folder up to date */

		if (m && (d->hidden < 0 || !(m->keywords & (uint64_t)1 << d->hidden)) && add_message(d, m, why) < 0)
			return -1;
	}
	if (pop3_config.save_uidl && save_uidls(d, why) < 0)
		return -1;
	qsort(d->messages, d->count, sizeof *d->messages, by_order);
	return 0;
}

/* What is counted, where deleted messages go, and where the index is, which is opened when a message has no UID yet. */
static int
take_settings(struct drop *d, const struct pop3_user *u, const struct location *l, struct fault *why)
{
	if (!span_is(text_span(&l->index), "MEMORY"))
		maildir_set_index(d->maildir, text_string(l->index.len ? &l->index : &l->root));
	if (quota_make(&quota_settings, span_of(u->quota), &d->quota, why) < 0
		|| lazy_make(&lazy_settings, SPAN_NONE, &d->lazy, why) < 0)
		return -1;
	maildir_set_quota(d->maildir, d->quota);
	maildir_set_lazy(d->maildir, d->lazy);
	return 0;
}

int
drop_open(const struct pop3_user *u, struct drop *out, struct fault *why)
{
	struct drop     d = {.arena = arena_new(), .ascii = pop3_config.utf8.enable && !u->utf8, .source.fd = -1};
	struct location l = {0};

	if (location_parse(span_of(u->mail), span_of(u->name), span_of(u->home), &l, why) < 0
		|| maildir_open(text_string(&l.root), MAILDIR_CREATE, &d.maildir, why) < 0
		|| take_settings(&d, u, &l, why) < 0
		|| check_delay(&d, why) < 0
		|| folder_open(d.maildir, "", 0, &d.folder, why) < 0
		|| (pop3_config.lock_session
			&& dotlock_take(d.folder->dir, "dovecot-pop3-session", SESSION_STALE, clock_after(SESSION_LOCK_MS), &d.lock, why) < 0)
		|| read_messages(&d, why) < 0) {
		location_free(&l);
		drop_close(&d);
		return -1;
	}
	location_free(&l);
	*out = d;
	return 0;
}

void
drop_close(struct drop *d)
{
	if (d->folder)
		drop_look_end(d);
	source_close(&d->source);
	text_free(&d->source.first);
	free(d->messages);
	free(d->uids);
	dotlock_release(&d->lock);
	folder_close(d->folder);
	maildir_close(d->maildir);
	quota_free(d->quota);
	lazy_free(d->lazy);
	arena_free(d->arena);
	*d = (struct drop){.source.fd = -1};
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* By UID, whatever order clients know. */
static size_t
collect(const struct drop *d, bool deleted, uint32_t *uids)
{
	size_t count = 0;

	for (size_t i = 0; i < d->count; i++)
		if (deleted ? d->messages[i].deleted : d->messages[i].seen && !d->messages[i].deleted)
			uids[count++] = d->messages[i].uid;
	if (count)
		qsort(uids, count, sizeof *uids, by_uid);
	return count;
}

int
drop_mark_seen(struct drop *d, struct fault *why)
{
	autofree uint32_t *uids = mem_array(d->count, sizeof *uids);
	struct flag_change seen = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN};
	size_t             count = collect(d, false, uids);

	if (pop3_config.no_flag_updates || count == 0)
		return 0;
	return folder_store(d->folder, uids, count, &seen, false, why);
}

/* pop3_deleted_flag: they stay, for IMAP, and are not shown by POP3 any more. */
static int
hide(struct drop *d, const uint32_t *uids, size_t count, struct fault *why)
{
	struct flag_change change = {.kind = FLAGS_ADD};

	if (folder_keyword(d->folder, span_of(pop3_config.deleted_flag), true, &d->hidden, why) < 0)
		return -1;
	change.keywords = (uint64_t)1 << d->hidden;
	return folder_store(d->folder, uids, count, &change, true, why);
}

int
drop_update(struct drop *d, size_t *deleted, struct fault *why)
{
	autofree uint32_t *uids = mem_array(d->count, sizeof *uids);
	size_t             count = collect(d, true, uids);

	if (drop_mark_seen(d, why) < 0)
		return -1;
	if (count && (*pop3_config.deleted_flag ? hide(d, uids, count, why) : folder_expunge(d->folder, uids, count, true, why)) < 0)
		return -1;
	*deleted = count;
	return 0;
}
