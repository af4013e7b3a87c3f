/* SPDX-License-Identifier: ISC */
/*
 * queue_import.c - messages of Postfix become ours
 *
 * The directory in between is a queue of ours, "import": a message is written in its
 * incoming/, and gets into maildrop/, active/ (which becomes incoming), deferred/ or hold/ there
 * once it is complete.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "base/strmap.h"
#include "mail/address.h"
#include "queue/maildrop.h"
#include "queue/postfix_directory.h"
#include "queue/postfix_queue.h"
#include "queue/queue_file.h"
#include "queue/queue_move.h"

enum { FILE_LIMIT = 1 << 30, LOG_LIMIT = 64 << 20, FLUSH_AT = 65536, STAGE_SIZE = 4096 };

static const char *const log_names[] = {"bounce", "defer", "trace"};
enum { LOG_BOUNCE, LOG_DEFER, LOG_TRACE, LOGS };

struct import {
	struct queue_move *move;
	int                root;        /* Postfix's queue directory */
	struct queue      *ours, *stage;
	char              *stage_path;
	enum queue_state   state;       /* which is being walked */
	struct stat        source;      /* of the file at hand */
};

/* A message on its way. */
struct letter {
	struct import         *i;
	struct arena          *arena;
	const char            *id;
	struct span            file;
	struct postfix_message m;
	struct strmap         *reasons[LOGS];   /* reason_key -> struct postfix_reason in the arena */
	int64_t                due_us;
	bool                   expired;
};

static void
leave(struct import *i, const char *path, const char *why)
{
	i->move->n_left++;
	i->move->left(path, why);
}

/* ---- content ---- */

static int
flush(int fd, struct text *out, int64_t *at, struct fault *why)
{
	if (file_write_at(fd, text_span(out), *at, why) < 0)
		return -1;
	*at += (int64_t)out->len;
	text_clear(out);
	return 0;
}

/* In our wire form; `each` frames what is ready, for maildrop. */
static int
copy_content(struct letter *l, int fd, int64_t *at, const char *line_end, bool framed, struct fault *why)
{
	struct postfix_content c = {.at = l->m.content_at};
	autotext struct text   ready = {0}, frame = {0};
	struct span            part;
	bool                   ends;
	int                    got;

	do {
		got = postfix_content_next(l->file, &c, &part, &ends, why);
		if (got == 1) {
			text_add(&ready, part);
			if (ends)
				text_add_string(&ready, line_end);
		}
		while (ready.len >= MAILDROP_RECORD_MAX || (got == 0 && ready.len)) {
			struct span one = span_first(text_span(&ready), MAILDROP_RECORD_MAX);

			if (framed)
				maildrop_put(&frame, 'D', one);
			else
				text_add(&frame, one);
			text_drop(&ready, one.len);
			if (flush(fd, &frame, at, why) < 0)
				return -1;
		}
	} while (got == 1);
	return got;
}

/* ---- a message of the queue ---- */

static struct queue_envelope
envelope_of(struct letter *l)
{
	const struct postfix_message *m = &l->m;
	bool                          probe = m->trace & POSTFIX_TRACE_PROBE;

	return (struct queue_envelope){
		.sender = m->sender, .envid = m->envid, .auth = m->sasl_sender,
		.ret = m->ret & POSTFIX_RET_FULL ? SPAN("FULL") : m->ret ? SPAN("HDRS") : SPAN_NONE,
		.body = span_is(m->encoding, "8bit") ? SPAN("8BITMIME") : span_is(m->encoding, "7bit") ? SPAN("7BIT") : SPAN_NONE,
		.filter = m->redirect.len ? SPAN_NONE : m->filter, .redirect = m->redirect, .verp = m->verp,
		.client_name = m->client_name, .client_address = m->client_address, .client_port = m->client_port,
		.helo = m->helo, .protocol = m->protocol, .sasl_method = m->sasl_method, .sasl_user = m->sasl_user,
		.origin = probe ? SPAN("verify") : m->client_address.len ? SPAN("smtpd") : SPAN("pickup"),
		.encoding = SPAN_NONE, .arrival_us = m->arrival_us, .smtputf8 = m->smtputf8,
		.verify_only = probe || (m->trace & POSTFIX_TRACE_VERIFY), .trace = m->trace & POSTFIX_TRACE_REPORT};
}

/* As qmgr of Postfix does it: a redirected message goes to one address, for the first that waits. */
static void
redirect(struct postfix_message *m)
{
	bool given = false;

	for (size_t i = 0; m->redirect.len && i < m->n_rcpts; i++) {
		struct postfix_rcpt *r = &m->rcpts[i];

		if (r->done)
			continue;
		r->done = given;
		if (!given && !r->original.len)
			r->original = r->address;
		if (!given)
			r->address = m->redirect;
		given = true;
	}
}

static int
put_message(struct letter *l, struct queue_draft *d, struct fault *why)
{
	struct queue_envelope e = envelope_of(l);
	struct piece          piece = {QUEUE_CONTENT_AT, 0};
	int64_t               end = QUEUE_CONTENT_AT;

	if (l->i->move->owner != (uid_t)-1 && fchown(queue_draft_fd(d), l->i->move->owner, (gid_t)-1) < 0)
		return fault_errno(why, "chown");
	if (copy_content(l, queue_draft_fd(d), &end, "\r\n", false, why) < 0)
		return -1;
	piece.len = end - QUEUE_CONTENT_AT;
	e.content = (struct message_content){.fd = -1, .pieces = &piece, .n_pieces = 1, .size = piece.len};
	if (queue_draft_content(d, piece.len, why) < 0 || queue_draft_envelope(d, &e, why) < 0)
		return -1;
	for (size_t i = 0; i < l->m.n_rcpts; i++) {
		const struct postfix_rcpt *r = &l->m.rcpts[i];
		struct queue_rcpt          one = {.address = r->address, .original = r->original, .orcpt = r->orcpt,
		                                  .notify = r->notify & 1 ? 1 : r->notify};

		if (queue_draft_rcpt(d, &one, why) < 0)
			return -1;
	}
	return 0;
}

/* ---- marks and reasons ---- */

/* By where the recipient stands in the file, or, where a log does not say that, by address. */
static struct span
reason_key(struct arena *arena, int64_t at, struct span address)
{
	return at ? span_of(arena_format(arena, "%lld", (long long)at)) : span_of(arena_format(arena, "<%.*s>", SPAN_ARGS(address)));
}

static const struct postfix_reason *
reason_of(const struct letter *l, int which, const struct postfix_rcpt *r)
{
	const struct postfix_reason *found;

	if (!l->reasons[which])
		return NULL;
	found = strmap_get(l->reasons[which], reason_key(l->arena, r->at, r->address));
	return found ? found : strmap_get(l->reasons[which], reason_key(l->arena, 0, r->address));
}

static int
journal(struct queue_file *f, enum queue_event_kind kind, int64_t at, const struct letter *l, const struct postfix_reason *r,
        struct fault *why)
{
	struct queue_event e = {.kind = kind, .rcpt_at = at, .when_us = l->due_us, .number = kind == EVENT_TRIED,
	                        .dsn = SPAN_NONE, .text = SPAN_NONE, .mta = SPAN_NONE, .diagnostic = SPAN_NONE, .action = SPAN_NONE};

	if (r) {
		e.dsn = r->status;
		e.text = r->reason;
		e.mta = r->mta;
		e.diagnostic = r->diagnostic;
		e.action = r->action;
	}
	return queue_journal_add(f, &e, why);
}

/* Done; done, and its notice is still due; or not done, and why. */
static int
mark_one(struct letter *l, struct queue_file *f, const struct queue_rcpt *ours, const struct postfix_rcpt *theirs,
         struct fault *why)
{
	const struct postfix_reason *failed = reason_of(l, LOG_BOUNCE, theirs), *sent = reason_of(l, LOG_TRACE, theirs),
	                            *deferred = reason_of(l, LOG_DEFER, theirs);
	bool wants_failure = ours->notify == 0 || (ours->notify & 4);

	if (!theirs->done)
		return deferred ? journal(f, EVENT_DEFERRED, ours->at, l, deferred, why) : 0;
	if (failed && (wants_failure || l->m.trace))
		return journal(f, EVENT_FAILED, ours->at, l, failed, why) < 0 ? -1
		       : queue_file_mark(f, ours->at, l->m.trace & POSTFIX_TRACE_VERIFY ? RCPT_SUCCESS : RCPT_FAILED, why);
	if (sent)
		return journal(f, EVENT_SENT, ours->at, l, sent, why) < 0 ? -1 : queue_file_mark(f, ours->at, RCPT_SUCCESS, why);
	return queue_file_mark(f, ours->at, RCPT_DONE, why);
}

static int
mark_all(struct letter *l, struct queue_file *f, struct fault *why)
{
	int64_t at = queue_file_rcpt_first(f);

	for (size_t i = 0; i < l->m.n_rcpts; i++) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;

		if (queue_file_rcpt(f, at, arena, &r, why) != 1)
			return fault_set(why, FAULT_SYSTEM, "a recipient is missing");
		if (mark_one(l, f, &r, &l->m.rcpts[i], why) < 0)
			return -1;
		at = r.next;
	}
	if (l->m.warned && journal(f, EVENT_WARNED, 0, l, NULL, why) < 0)
		return -1;
	if (l->i->state == QUEUE_DEFERRED && journal(f, EVENT_TRIED, 0, l, NULL, why) < 0)
		return -1;
	return l->expired ? queue_file_set_expired(f, why) : 0;
}

static int
write_message(struct letter *l, struct fault *why)
{
	struct queue_id     id;
	struct queue_draft *d;
	struct queue_file  *f;
	int                 got;

	snprintf(id.text, sizeof id.text, "%s", l->id);
	if (queue_draft_claim(l->i->stage, &id, &d, why) != 0)
		return why->class ? -1 : fault_set(why, FAULT_SYSTEM, "is in the queue in between already");
	if (put_message(l, d, why) < 0) {
		queue_draft_abandon(d);
		return -1;
	}
	if (queue_draft_commit(d, QUEUE_INCOMING, why) < 0)
		return -1;
	got = queue_file_open(l->i->stage, QUEUE_INCOMING, l->id, QUEUE_OPEN_WRITE, &f, why);
	if (got != 0)
		return got < 0 ? -1 : fault_set(why, FAULT_SYSTEM, "is gone");
	got = mark_all(l, f, why);
	if (got == 0)
		got = queue_set_due(l->i->stage, QUEUE_INCOMING, l->id, l->due_us, why);
	if (got == 0)
		got = queue_file_sync(f, why);
	queue_file_close(f);
	return got == 0 ? 0 : -1;
}

/* ---- what waits for pickup ---- */

static void
put_yes(struct text *out, const char *name, bool value)
{
	autofree char *both = mem_format("%s=yes", name);

	if (value)
		maildrop_put(out, 'A', span_of(both));
}

static void
put_value(struct text *out, const char *name, struct span value)
{
	autofree char *both = mem_format("%s=%.*s", name, SPAN_ARGS(value));

	if (value.len)
		maildrop_put(out, 'A', span_of(both));
}

static void
put_address(struct text *out, char type, struct span address)
{
	autotext struct text external = {0};

	if (address.len)
		address_external(address, &external);
	maildrop_put(out, type, text_span(&external));
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] & 128)
			return false;
	return true;
}

static void
put_drop_envelope(struct letter *l, struct text *out)
{
	struct queue_envelope e = envelope_of(l);
	autofree char        *notify = mem_format("%d", l->m.rcpts[0].notify & 1 ? 1 : l->m.rcpts[0].notify);
	bool                  ascii = is_ascii(l->m.sender);

	for (size_t i = 0; i < l->m.n_rcpts; i++)
		ascii &= is_ascii(l->m.rcpts[i].address);
	maildrop_put(out, 'V', SPAN("1"));
	put_address(out, 'S', l->m.sender);
	if (l->m.full_name.len)
		maildrop_put(out, 'F', l->m.full_name);
	put_value(out, "ret", e.ret);
	put_value(out, "body", e.body);
	put_value(out, "envid", span_first(e.envid, 100));
	put_value(out, "verp", e.verp);
	if (notify[0] != '0')
		put_value(out, "notify", span_of(notify));
	put_yes(out, "smtputf8", !ascii);
	put_yes(out, "verify", e.verify_only);
	put_yes(out, "trace", e.trace);
	for (size_t i = 0; i < l->m.n_rcpts; i++)
		put_address(out, 'R', l->m.rcpts[i].address);
}

static int
fill_drop(struct letter *l, int fd, struct fault *why)
{
	autotext struct text out = {0};
	int64_t              at = 0;

	if (fchown(fd, l->i->source.st_uid, (gid_t)-1) < 0 && geteuid() == 0)
		return fault_errno(why, "chown");               /* pickup tells the log who it was */
	put_drop_envelope(l, &out);
	if (flush(fd, &out, &at, why) < 0 || copy_content(l, fd, &at, "\n", true, why) < 0)
		return -1;
	maildrop_put(&out, 'E', SPAN_NONE);
	if (flush(fd, &out, &at, why) < 0)
		return -1;
	return fchmod(fd, 0444) < 0 ? fault_errno(why, "chmod") : file_sync(fd, why);
}

static int
write_drop(struct letter *l, struct fault *why)
{
	int           dir = queue_directory(l->i->stage, QUEUE_INCOMING);
	autoclose int fd = openat(dir, l->id, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? fault_errno(why, "create import/incoming/%s", l->id) : fill_drop(l, fd, why);
}

/* ---- a message over the bridge ---- */

static int
sync_directory(int dir, const char *what, struct fault *why)
{
	return fsync(dir) < 0 ? fault_errno(why, "fsync of the directory of %s", what) : 0;
}

static int
remove_logs(struct import *i, const char *id, struct fault *why)
{
	for (int k = 0; k < LOGS; k++) {
		autoclose int dir = -1, fd = -1;
		int           got = postfix_find(i->root, log_names[k], id, &dir, &fd, why);

		if (got < 0)
			return -1;
		if (got == 0 && unlinkat(dir, id, 0) < 0 && errno != ENOENT)
			return fault_errno(why, "remove %s of %s", log_names[k], id);
	}
	return 0;
}

static enum queue_state
final_state(enum queue_state staged)
{
	return staged == QUEUE_ACTIVE ? QUEUE_INCOMING : staged;
}

/* The third step: nobody else has it any more. */
static int
publish(struct import *i, const char *id, enum queue_state staged, struct fault *why)
{
	enum queue_state to = final_state(staged);

	if (remove_logs(i, id, why) < 0 || fault_point("import.logs", why) < 0)
		return -1;
	if (renameat(queue_directory(i->stage, staged), id, queue_directory(i->ours, to), id) < 0)
		return fault_errno(why, "rename import/%s/%s", queue_state_name(staged), id);
	(void)fault_point("import.published", NULL);
	if (queue_sync(i->ours, to, why) < 0)
		return -1;
	i->move->moved++;
	return 0;
}

static int
remove_source(int dir, const char *id, struct fault *why)
{
	if (unlinkat(dir, id, 0) < 0 && errno != ENOENT)
		return fault_errno(why, "remove %s", id);
	(void)fault_point("import.removed", NULL);
	return sync_directory(dir, id, why);
}

static enum queue_state
stage_of(enum queue_state state, bool is_drop)
{
	return is_drop ? QUEUE_MAILDROP : state == QUEUE_DEFERRED || state == QUEUE_HOLD ? state : QUEUE_ACTIVE;
}

static int
carry(struct letter *l, int dir, struct fault *why)
{
	struct import   *i = l->i;
	enum queue_state staged = stage_of(i->state, l->m.is_drop);

	if ((l->m.is_drop ? write_drop(l, why) : write_message(l, why)) < 0) {
		unlinkat(queue_directory(i->stage, QUEUE_INCOMING), l->id, 0);
		return -1;
	}
	if (fault_point("import.written", why) < 0 || queue_move(i->stage, l->id, QUEUE_INCOMING, staged, why) != 0 ||
	    queue_sync(i->stage, staged, why) < 0 || fault_point("import.staged", why) < 0)
		return -1;
	if (remove_source(dir, l->id, why) < 0)
		return -1;
	return publish(i, l->id, staged, why);
}

/* ---- one file ---- */

static void
read_log(struct letter *l, int which)
{
	autoclose int         dir = -1, fd = -1;
	autotext struct text  bytes = {0};
	struct postfix_reason r;
	struct span           rest;

	if (postfix_find(l->i->root, log_names[which], l->id, &dir, &fd, NULL) != 0 ||
	    file_read_fd(fd, LOG_LIMIT, &bytes, NULL) < 0)
		return; /* reasons: the mail goes over without them */
	rest = arena_span(l->arena, text_span(&bytes));
	l->reasons[which] = strmap_new();
	while (postfix_reason_next(&rest, &r)) {
		struct postfix_reason *kept = arena_alloc(l->arena, sizeof *kept);

		*kept = r;
		strmap_put(l->reasons[which], reason_key(l->arena, kept->at, kept->recipient), kept);
	}
}

/* 1: it is none of our business (a file of ours where both queues are one directory). */
static int
look_at(struct import *i, int fd, struct text *bytes, struct fault *why)
{

	if (fstat(fd, &i->source) < 0)
		return fault_errno(why, "stat");
	if (!S_ISREG(i->source.st_mode) || i->source.st_nlink != 1)
		return fault_set(why, FAULT_INPUT, "not a regular file with one name");
	if (i->source.st_size > FILE_LIMIT)
		return fault_set(why, FAULT_INPUT, "larger than %d bytes", FILE_LIMIT);
	if (file_read_fd(fd, FILE_LIMIT, bytes, why) < 0)
		return -1;
	if (span_starts(text_span(bytes), "postern-queue 1\n") || (bytes->len > 6 && memcmp(bytes->at, "V\0\0\0\0011", 6) == 0))
		return 1;
	if ((i->source.st_mode & S_IRWXU) != S_IRWXU)
		return fault_set(why, FAULT_INPUT, "was never completed: whoever sent it was not told that it is accepted");
	return 0;
}

/* A message of ours with that id: the source itself, where both queues are one directory, is not meant. */
static int
is_free(struct import *i, const char *id, struct fault *why)
{
	for (int s = 0; s < QUEUE_STATES; s++) {
		struct stat st;

		if (fstatat(queue_directory(i->ours, (enum queue_state)s), id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (st.st_ino != i->source.st_ino || st.st_dev != i->source.st_dev))
			return fault_set(why, FAULT_INPUT, "our queue holds another message of that id, in %s",
			                 queue_state_name((enum queue_state)s));
	}
	return 0;
}

static int
take_over(struct import *i, int dir, int fd, const char *id, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    bytes = {0};
	struct letter           l = {.i = i, .arena = arena, .id = id};
	int                     got;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fault_set(why, FAULT_INPUT, "is open elsewhere");
	got = look_at(i, fd, &bytes, why);
	if (got != 0)
		return got < 0 ? -1 : 0;
	l.file = text_span(&bytes);
	if (postfix_message_parse(l.file, arena, &l.m, why) < 0)
		return -1;
	redirect(&l.m);
	l.due_us = (int64_t)i->source.st_mtim.tv_sec * 1000000 + i->source.st_mtim.tv_nsec / 1000;
	l.expired = i->source.st_mode & S_IXGRP && !l.m.is_drop;
	if (i->move->only_look) {
		i->move->moved++;
		return 0;
	}
	if (is_free(i, id, why) < 0)
		return -1;
	for (int k = 0; k < LOGS && !l.m.is_drop; k++)
		read_log(&l, k);
	got = carry(&l, dir, why);
	for (int k = 0; k < LOGS; k++)
		strmap_free(l.reasons[k], NULL);
	return got;
}

/* What is wrong with one file is told of it; what the system refuses ends the walk. */
static int
visit(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	struct import *i = context;
	autoclose int  fd = openat(dir, id, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct fault   one = {0};

	if (fd < 0) {
		if (errno != ENOENT)
			leave(i, path, strerror(errno));
		return 0;
	}
	if (take_over(i, dir, fd, id, &one) == 0)
		return 0;
	if (one.class == FAULT_INPUT) {
		leave(i, path, fault_text(&one));
		return 0;
	}
	return fault_set(why, one.class, "%s: %s", path, fault_text(&one));
}

static int
name_corrupt(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	(void)dir, (void)id, (void)why;
	leave(context, path, "is in Postfix's directory of corrupt files");
	return 0;
}

/* ---- what an earlier run has left ---- */

struct leftover {
	struct import *i;
	const char    *id;
	bool           is_drop;
};

static int
remove_if_same(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	struct leftover     *l = context;
	autoclose int        fd = -1;
	char                 start[POSTFIX_SIZE_RECORD];
	ssize_t              n;

	(void)path;
	if (strcmp(id, l->id) != 0)
		return 0;
	fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, start, sizeof start);
	if (n <= 0 || !postfix_file_begins(span_at(start, (size_t)n)) || (start[0] == 'T') != l->is_drop)
		return 0;
	return remove_source(dir, id, why);
}

static int
finish_one(struct import *i, const char *id, enum queue_state staged, struct fault *why)
{
	struct leftover l = {i, id, staged == QUEUE_MAILDROP};

	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++)
		if (stage_of((enum queue_state)s, l.is_drop) == staged &&
		    postfix_walk(i->root, queue_state_name((enum queue_state)s), remove_if_same, &l, why) != 0)
			return -1;
	return publish(i, id, staged, why);
}

static int
each_staged(struct import *i, enum queue_state state, struct fault *why)
{
	for (;;) {
		struct queue_scan *scan;
		struct queue_id    id;
		int                got;

		if (queue_scan_open(i->stage, state, &scan, why) < 0)
			return -1;
		got = queue_scan_next(scan, &id, NULL, why);
		queue_scan_close(scan);
		if (got <= 0)
			return got;
		if (state != QUEUE_INCOMING) {
			if (finish_one(i, id.text, state, why) < 0)
				return -1;
		} else if (queue_remove(i->stage, state, id.text, why) < 0) /* not complete: its source is there */
			return -1;
	}
}

static bool
is_anything_staged(struct import *i)
{
	bool any = false;

	for (int s = 0; s < QUEUE_CORRUPT && !any; s++) {
		struct queue_scan *scan;
		struct queue_id    id;

		if (s == QUEUE_INCOMING || queue_scan_open(i->stage, (enum queue_state)s, &scan, NULL) < 0)
			continue;
		any = queue_scan_next(scan, &id, NULL, NULL) == 1;
		queue_scan_close(scan);
	}
	return any;
}

/* Whose files lie in between: those of another directory must not be mixed up with these. */
static int
check_origin(struct import *i, struct fault *why)
{
	autofree char       *path = mem_format("%s/from", i->stage_path), *real = realpath(i->move->postfix, NULL);
	autotext struct text before = {0};

	if (!real)
		return fault_errno(why, "%s", i->move->postfix);
	if (file_read(path, PATH_MAX, &before, NULL) == 0 && span_is(text_span(&before), real))
		return 0;
	if (is_anything_staged(i))
		return fault_set(why, FAULT_INPUT, "an import from %s was not finished: do that first", text_string(&before));
	return file_replace(path, span_of(real), 0600, why);
}

static int
open_stage(struct import *i, struct fault *why)
{
	i->stage_path = mem_format("%s/import", i->move->ours);
	if (queue_make(i->stage_path, (uid_t)-1, (gid_t)-1, why) < 0 || chmod(i->stage_path, 0700) < 0)
		return why->class ? -1 : fault_errno(why, "chmod %s", i->stage_path);
	return queue_open(i->stage_path, &i->stage, why) < 0 || check_origin(i, why) < 0 ? -1 : 0;
}

/* Only what is empty goes. */
static void
remove_stage(struct import *i)
{
	autofree char *from = mem_format("%s/from", i->stage_path), *ids = mem_format("%s/ids", i->stage_path);
	int            swept;

	queue_sweep(i->stage, -10, &swept, NULL);
	for (int s = 0; s < QUEUE_STATES; s++) {
		autofree char *path = mem_format("%s/%s", i->stage_path, queue_state_name((enum queue_state)s));

		if (rmdir(path) < 0)
			return;
	}
	rmdir(ids);
	unlink(from);
	rmdir(i->stage_path);
}

static int
import_all(struct import *i, struct fault *why)
{
	if (!i->move->only_look) {
		static const enum queue_state order[] = {QUEUE_INCOMING, QUEUE_MAILDROP, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HOLD};

		if (queue_open(i->move->ours, &i->ours, why) < 0 || open_stage(i, why) < 0)
			return -1;
		for (size_t k = 0; k < COUNT(order); k++)
			if (each_staged(i, order[k], why) < 0)
				return -1;
	}
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++) {
		i->state = (enum queue_state)s;
		if (postfix_walk(i->root, queue_state_name(i->state), visit, i, why) != 0)
			return -1;
	}
	if (postfix_walk(i->root, queue_state_name(QUEUE_CORRUPT), name_corrupt, i, why) != 0)
		return -1;
	if (!i->move->only_look)
		remove_stage(i);
	return 0;
}

int
queue_import(struct queue_move *move, struct fault *why)
{
	struct import i = {.move = move};
	int           got;

	move->moved = move->n_left = 0;
	i.root = open(move->postfix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i.root < 0)
		return fault_errno(why, "open queue directory %s", move->postfix);
	got = import_all(&i, why);
	queue_close(i.stage);
	queue_close(i.ours);
	free(i.stage_path);
	close(i.root);
	return got;
}

/* ---- is there any? ---- */

static int
is_one(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	struct text  *found = context;
	autoclose int fd = -1;
	struct stat   st;
	char          start[POSTFIX_SIZE_RECORD];
	ssize_t       n;

	(void)why;
	if (fstatat(dir, id, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IRWXU) != S_IRWXU)
		return 0;
	fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, start, sizeof start);
	if (n <= 0 || !postfix_file_begins(span_at(start, (size_t)n)))
		return 0;
	text_set(found, span_of(path));
	return 1;
}

static int
is_any(void *context, int dir, const char *path, const char *id, struct fault *why)
{
	(void)dir, (void)id, (void)why;
	text_set(context, span_of(path));
	return 1;
}

int
queue_is_foreign(const char *root, struct text *path, struct fault *why)
{
	static const char *const staged[] = {"import/maildrop", "import/active", "import/deferred", "import/hold"};
	autoclose int            dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int                      got = 0;

	if (dir < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "open queue directory %s", root);
	for (size_t k = 0; k < COUNT(staged) && got == 0; k++)
		got = postfix_walk(dir, staged[k], is_any, path, why);
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT && got == 0; s++)
		got = postfix_walk(dir, queue_state_name((enum queue_state)s), is_one, path, why);
	return got;
}
