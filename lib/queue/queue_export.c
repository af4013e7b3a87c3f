/* SPDX-License-Identifier: ISC */
/*
 * queue_export.c - our messages become Postfix's
 *
 * The directory in between is "postern-export" in Postfix's queue directory: ID.part is being written,
 * ID.defer, ID.bounce, ID.trace are its logs, and ID.incoming (ID.deferred ...) is complete.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

#define STAGE "postern-export"

enum { FLUSH_AT = 65536, READ_SIZE = 65536, NAME_SIZE = QUEUE_ID_SIZE + 16 };
enum { LOG_BOUNCE, LOG_DEFER, LOG_TRACE, LOGS };

static const char *const log_names[LOGS] = {"bounce", "defer", "trace"};

struct export {
	struct queue_move *move;
	int                root, stage;         /* Postfix's queue directory, and what lies in between */
	struct queue      *ours;
	uid_t              owner;               /* of Postfix's files */
	gid_t              group;
};

/* A file that is being written. */
struct writer {
	int         fd;
	int64_t     at;                         /* of what is flushed */
	struct text out, logs[LOGS];
	size_t      n_rcpts;
};

static int64_t
here(const struct writer *w)
{
	return w->at + (int64_t)w->out.len;
}

static int
flush(struct writer *w, size_t from, struct fault *why)
{
	if (w->out.len < from)
		return 0;
	if (file_write_at(w->fd, text_span(&w->out), w->at, why) < 0)
		return -1;
	w->at += (int64_t)w->out.len;
	text_clear(&w->out);
	return 0;
}

static void
writer_free(struct writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	text_free(&w->out);
	for (int k = 0; k < LOGS; k++)
		text_free(&w->logs[k]);
}

static void
put_time(struct text *out, int64_t us)
{
	autotext struct text t = {0};

	text_add_format(&t, "%lld %lld", (long long)(us / 1000000), (long long)(us % 1000000));
	postfix_put(out, 'T', text_span(&t));
}

static void
put_flags(struct text *out, struct span ret, bool verify, bool report)
{
	postfix_put_number(out, "ret_flags", span_is_nocase(ret, "FULL")   ? POSTFIX_RET_FULL
	                                     : span_is_nocase(ret, "HDRS") ? POSTFIX_RET_HEADERS
	                                                                   : 0);
	postfix_put_number(out, "trace_flags", verify ? POSTFIX_TRACE_VERIFY : report ? POSTFIX_TRACE_REPORT : 0);
}

static struct span
encoding_of(struct span body)
{
	return span_is_nocase(body, "8BITMIME") ? SPAN("8bit") : span_is_nocase(body, "7BIT") ? SPAN("7bit") : SPAN_NONE;
}

/* ---- a message of the queue ---- */

static void
put_envelope(struct writer *w, const struct queue_envelope *e, bool warned)
{
	const struct { const char *name; struct span value; } texts[] = {
		{"encoding", encoding_of(e->body)}, {"log_client_name", e->client_name}, {"log_client_address", e->client_address},
		{"log_client_port", e->client_port}, {"log_helo_name", e->helo}, {"log_protocol_name", e->protocol},
		{"client_name", e->client_name}, {"client_address", e->client_address}, {"client_port", e->client_port},
		{"helo_name", e->helo}, {"protocol_name", e->protocol}, {"sasl_method", e->sasl_method},
		{"sasl_username", e->sasl_user}, {"sasl_sender", e->auth}};
	struct text *out = &w->out;

	put_time(out, e->arrival_us);
	postfix_put_number(out, "create_time", e->arrival_us / 1000000);
	postfix_put_attribute(out, "envelope_id", e->envid);
	put_flags(out, e->ret, e->verify_only, e->trace);
	postfix_put_attribute(out, "rewrite_context", e->client_address.len ? SPAN("remote") : SPAN("local"));
	if (e->filter.len)
		postfix_put(out, 'L', e->filter);
	postfix_put(out, 'S', e->sender);
	for (size_t i = 0; i < COUNT(texts); i++)
		postfix_put_attribute(out, texts[i].name, texts[i].value);
	if (e->verp.len)
		postfix_put(out, 'V', e->verp);
	if (warned)
		postfix_put(out, 'W', SPAN("              0"));
}

/* The log that tells of a recipient in that state, or -1. */
static int
log_of(char state)
{
	switch (state) {
	case RCPT_TODO:    return LOG_DEFER;
	case RCPT_FAILED:  return LOG_BOUNCE;
	case RCPT_SUCCESS:
	case RCPT_EXPANDED: return LOG_TRACE;
	default:           return -1;
	}
}

static void
put_reason(struct writer *w, const struct queue_rcpt *r, const struct queue_event *e, int64_t at)
{
	static const char *const actions[LOGS] = {"failed", "delayed", "relayed"};
	int                      which = log_of(r->state);
	struct postfix_reason    reason;

	if (which < 0 || (!e && which == LOG_DEFER))
		return;
	reason = (struct postfix_reason){
		.recipient = r->address, .original = r->original, .orcpt = r->orcpt, .notify = r->notify, .at = at,
		.status = e && e->dsn.len ? e->dsn : which == LOG_BOUNCE ? SPAN("5.0.0") : SPAN("2.0.0"),
		.action = r->state == RCPT_EXPANDED                                   ? SPAN("expanded")
		          : e && e->action.len && !span_is(e->action, "none") ? e->action
		                                                              : span_of(actions[which]),
		.reason = e ? e->text : SPAN_NONE, .mta = e ? e->mta : SPAN_NONE, .diagnostic = e ? e->diagnostic : SPAN_NONE};
	postfix_reason_print(&reason, &w->logs[which]);
}

static int
put_rcpts(struct writer *w, struct queue_file *f, const struct strmap *events, struct fault *why)
{
	for (int64_t at = queue_file_rcpt_first(f);;) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;
		int                     got = queue_file_rcpt(f, at, arena, &r, why);

		if (got <= 0)
			return got;
		at = r.next;
		postfix_put_attribute(&w->out, "dsn_orig_rcpt", r.orcpt);
		postfix_put_number(&w->out, "notify_flags", r.notify);
		if (r.original.len)
			postfix_put(&w->out, 'O', r.original);
		put_reason(w, &r, strmap_get(events, span_at(&r.at, sizeof r.at)), here(w));
		postfix_put(&w->out, r.state == RCPT_TODO ? 'R' : 'D', r.address);
		w->n_rcpts++;
		if (flush(w, FLUSH_AT, why) < 0)
			return -1;
	}
}

/* A CR at the end of what was read waits for what follows it. */
static int
put_content(struct writer *w, const struct message_content *c, struct fault *why)
{
	autotext struct text bytes = {0}, part = {0};
	int64_t              position = 0;
	bool                 partial = false;

	for (;;) {
		struct span ready;
		bool        cr;

		if (message_read(c, &position, READ_SIZE, &part, why) < 0)
			return -1;
		if (!part.len)
			break;
		text_add(&bytes, text_span(&part));
		cr = bytes.at[bytes.len - 1] == '\r';
		ready = span_first(text_span(&bytes), bytes.len - cr);
		postfix_put_content(&w->out, ready, &partial);
		text_drop(&bytes, ready.len);
		if (flush(w, FLUSH_AT, why) < 0)
			return -1;
	}
	postfix_put_content(&w->out, text_span(&bytes), &partial);
	postfix_put_line_end(&w->out, partial);
	return 0;
}

/* The last event of each recipient. */
static int
read_events(struct queue_file *f, struct arena *arena, struct strmap *map, bool *warned, struct fault *why)
{
	struct queue_event e;
	int64_t            at = 0;
	int                got;

	while ((got = queue_journal_next(f, &at, arena, &e, why)) == 1) {
		struct queue_event *kept;

		*warned |= e.kind == EVENT_WARNED;
		if (!e.rcpt_at)
			continue;
		kept = arena_alloc(arena, sizeof *kept);
		*kept = e;
		strmap_put(map, span_at(&kept->rcpt_at, sizeof kept->rcpt_at), kept);
	}
	return got;
}

static int
put_message(struct writer *w, struct queue_file *f, const struct strmap *events, bool warned, struct fault *why)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	autotext struct text         size = {0};
	int64_t                      content_at, content_end;

	postfix_put_size(&w->out, 0, 0, 0, false);
	put_envelope(w, e, warned);
	if (put_rcpts(w, f, events, why) < 0)
		return -1;
	postfix_put(&w->out, 'M', SPAN_NONE);
	content_at = here(w);
	if (put_content(w, &e->content, why) < 0)
		return -1;
	content_end = here(w);
	postfix_put(&w->out, 'X', SPAN_NONE);
	postfix_put(&w->out, 'E', SPAN_NONE);
	if (flush(w, 0, why) < 0)
		return -1;
	postfix_put_size(&size, content_end - content_at, content_at, w->n_rcpts, e->smtputf8);
	return file_write_at(w->fd, text_span(&size), 0, why);
}

static int
write_message(struct writer *w, struct queue_file *f, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct strmap          *events = strmap_new();
	bool                    warned = false;
	int                     got = read_events(f, arena, events, &warned, why);

	if (got == 0)
		got = put_message(w, f, events, warned, why);
	strmap_free(events, NULL);
	return got;
}

/* ---- what waits for pickup ---- */

static int
put_address(struct writer *w, char type, struct span external, struct arena *arena, struct fault *why)
{
	struct span internal = SPAN_NONE;

	if (external.len && address_parse(arena, external, ADDRESS_UTF8, &internal, why) < 0)
		return -1;
	postfix_put(&w->out, type, internal);
	return 0;
}

struct drop {
	struct span envid, ret, body, verp, notify;
	bool        verify, trace;
};

static void
take_attribute(struct drop *d, struct span s)
{
	const struct { const char *name; struct span *to; } texts[] = {
		{"envid", &d->envid}, {"ret", &d->ret}, {"body", &d->body}, {"verp", &d->verp}, {"notify", &d->notify}};
	struct span name;

	span_split(&s, '=', &name);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_is(name, texts[i].name))
			*texts[i].to = s;
	d->verify |= span_is(name, "verify");
	d->trace |= span_is(name, "trace");
}

/* Attributes and recipients may be mixed: first all of those, then these. */
static int
put_drop(struct writer *w, struct maildrop_reader *in, int64_t arrival_us, struct arena *arena, struct fault *why)
{
	struct drop          d = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, false, false};
	autotext struct text sender = {0}, name = {0}, rcpts = {0};
	struct span          rest, one, value;
	bool                 partial = false;
	char                 type;
	int                  got;

	while ((got = maildrop_next(in, &type, &value, why)) == 1 && type != 'D') {
		if (type == 'A')
			take_attribute(&d, arena_span(arena, value));
		else if (type == 'S')
			text_set(&sender, value);
		else if (type == 'F')
			text_set(&name, value);
		else if (type == 'R')
			text_add_format(&rcpts, "%.*s\n", SPAN_ARGS(value));
	}
	put_time(&w->out, arrival_us);
	postfix_put_attribute(&w->out, "envelope_id", d.envid);
	put_flags(&w->out, d.ret, d.verify, d.trace);
	postfix_put_attribute(&w->out, "rewrite_context", SPAN("local"));
	if (name.len)
		postfix_put(&w->out, 'F', text_span(&name));
	if (got < 0 || put_address(w, 'S', text_span(&sender), arena, why) < 0)
		return -1;
	postfix_put_attribute(&w->out, "encoding", encoding_of(d.body));
	if (d.verp.len)
		postfix_put(&w->out, 'V', d.verp);
	for (rest = text_span(&rcpts); span_split(&rest, '\n', &one);) {
		postfix_put_attribute(&w->out, "notify_flags", d.notify);
		if (put_address(w, 'R', one, arena, why) < 0)
			return -1;
	}
	postfix_put(&w->out, 'M', SPAN_NONE);
	for (text_clear(&rcpts); got == 1; got = maildrop_next(in, &type, &value, why)) {
		struct span line;

		text_add(&rcpts, value);
		for (rest = text_span(&rcpts); span_find(rest, '\n') >= 0;) {
			bool short_line;

			span_split(&rest, '\n', &line);
			if (line.len && line.at[line.len - 1] == '\r')
				line.len--;
			short_line = line.len <= POSTFIX_LINE_PART;
			postfix_put_content(&w->out, short_line ? SPAN_NONE : line, &partial);
			postfix_put(&w->out, 'N', short_line ? line : SPAN_NONE);
		}
		text_drop(&rcpts, rcpts.len - rest.len);
		if (flush(w, FLUSH_AT, why) < 0)
			return -1;
	}
	partial = false;
	postfix_put_content(&w->out, text_span(&rcpts), &partial);
	postfix_put_line_end(&w->out, partial);
	postfix_put(&w->out, 'X', SPAN_NONE);
	postfix_put(&w->out, 'E', SPAN_NONE);
	return got < 0 ? -1 : flush(w, 0, why);
}

/* ---- over the bridge ---- */

static void
stage_name(char name[NAME_SIZE], const char *id, const char *suffix)
{
	snprintf(name, NAME_SIZE, "%s.%s", id, suffix);
}

static int
create(struct export *x, const char *name, uid_t owner, struct fault *why)
{
	int fd;

	unlinkat(x->stage, name, 0);
	fd = openat(x->stage, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_errno(why, "create %s/%s", STAGE, name);
	if (geteuid() == 0 && fchown(fd, owner, x->group) < 0) {
		fault_errno(why, "chown %s/%s", STAGE, name);
		close(fd);
		return -1;
	}
	return fd;
}

static int
write_logs(struct export *x, const struct writer *w, const char *id, struct fault *why)
{
	for (int k = 0; k < LOGS; k++) {
		char          name[NAME_SIZE];
		autoclose int fd = -1;

		stage_name(name, id, log_names[k]);
		if (!w->logs[k].len) {
			unlinkat(x->stage, name, 0);
			continue;
		}
		fd = create(x, name, x->owner, why);
		if (fd < 0 || file_write(fd, text_span(&w->logs[k]), why) < 0 || file_sync(fd, why) < 0)
			return -1;
	}
	return 0;
}

/* The first step ends: mode, time, and the name that says that it is whole. */
static int
complete(struct export *x, struct writer *w, const char *id, enum queue_state state, mode_t mode, int64_t due_us, struct fault *why)
{
	struct timespec at = {(time_t)(due_us / 1000000), due_us % 1000000 * 1000}, both[2] = {at, at};
	char            part[NAME_SIZE], whole[NAME_SIZE];

	stage_name(part, id, "part");
	stage_name(whole, id, queue_state_name(state));
	if (write_logs(x, w, id, why) < 0)
		return -1;
	if (fchmod(w->fd, mode) < 0 || futimens(w->fd, both) < 0)
		return fault_errno(why, "set mode and time of %s/%s", STAGE, part);
	if (file_sync(w->fd, why) < 0 || fault_point("export.written", why) < 0)
		return -1;
	if (renameat(x->stage, part, x->stage, whole) < 0 || fsync(x->stage) < 0)
		return fault_errno(why, "rename %s/%s", STAGE, part);
	return fault_point("export.staged", why);
}

static int
into(struct export *x, const char *from, const char *queue, const char *id, struct fault *why)
{
	int           depth = 0;
	struct span   rest = x->move->hash_names, word;
	autoclose int dir = -1;

	while (span_next(&rest, ", \t", &word))
		if (span_is(word, queue))
			depth = x->move->hash_depth;
	dir = postfix_directory(x->root, queue, id, depth, geteuid() == 0 ? x->owner : (uid_t)-1, x->group, why);
	if (dir < 0)
		return -1;
	if (renameat(x->stage, from, dir, id) < 0)
		return fault_errno(why, "rename %s/%s to %s", STAGE, from, queue);
	return fsync(dir) < 0 ? fault_errno(why, "fsync %s", queue) : 0;
}

/* The logs go first: a message whose log comes later would be told of without it. */
static int
publish(struct export *x, const char *id, enum queue_state state, struct fault *why)
{
	char name[NAME_SIZE];

	for (int k = 0; k < LOGS; k++) {
		stage_name(name, id, log_names[k]);
		if (faccessat(x->stage, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && into(x, name, log_names[k], id, why) < 0)
			return -1;
	}
	if (fault_point("export.logs", why) < 0)
		return -1;
	stage_name(name, id, queue_state_name(state));
	if (into(x, name, queue_state_name(state), id, why) < 0)
		return -1;
	(void)fault_point("export.published", NULL);
	x->move->moved++;
	return 0;
}

/* Ours goes, durably; then theirs appears. What was active begins anew. */
static int
hand_over(struct export *x, const char *id, enum queue_state from, enum queue_state to, struct fault *why)
{
	if (queue_remove(x->ours, from, id, why) < 0 || fault_point("export.removed", why) < 0 ||
	    queue_sync(x->ours, from, why) < 0)
		return -1;
	return publish(x, id, to, why);
}

static enum queue_state
final_state(enum queue_state s)
{
	return s == QUEUE_ACTIVE ? QUEUE_INCOMING : s;
}

/* ---- one message ---- */

static void
leave(struct export *x, enum queue_state s, const char *id, const char *why)
{
	autofree char *path = mem_format("%s/%s", queue_state_name(s), id);

	x->move->n_left++;
	x->move->left(path, why);
}

static bool
is_theirs(struct export *x, enum queue_state s, const char *id)
{
	autoclose int fd = openat(queue_directory(x->ours, s), id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char          start[POSTFIX_SIZE_RECORD];
	ssize_t       n = fd < 0 ? -1 : read(fd, start, sizeof start);

	return n > 0 && postfix_file_begins(span_at(start, (size_t)n));
}

static int
export_message(struct export *x, enum queue_state s, const char *id, struct fault *why)
{
	struct queue_file *f = NULL;
	struct writer      w = {.fd = -1};
	char               part[NAME_SIZE];
	int64_t            due;
	mode_t             mode;
	int                got = queue_file_open(x->ours, s, id, QUEUE_OPEN_WRITE, &f, why);

	if (got != 0)
		return got == 1 ? 0 : why->class == FAULT_INPUT && is_theirs(x, s, id) ? fault_clear(why), 0 : -1;
	mode = queue_file_expired(f) ? 0710 : 0700;
	stage_name(part, id, "part");
	got = queue_due(x->ours, s, id, &due, why);
	if (got == 0 && !x->move->only_look)
		got = (w.fd = create(x, part, x->owner, why)) < 0 || write_message(&w, f, why) < 0 ||
		      complete(x, &w, id, final_state(s), mode, due, why) < 0 || hand_over(x, id, s, final_state(s), why) < 0 ? -1 : 0;
	else if (got == 0)
		x->move->moved++;
	queue_file_close(f);
	writer_free(&w);
	return got < 0 ? -1 : 0;
}

static int
write_drop(struct export *x, const char *id, int fd, const struct stat *st, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct maildrop_reader  in = {.fd = fd};
	struct writer           w = {.fd = -1};
	char                    part[NAME_SIZE];
	int64_t                 time_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	int                     got;

	stage_name(part, id, "part");
	got = (w.fd = create(x, part, st->st_uid, why)) < 0 || put_drop(&w, &in, time_us, arena, why) < 0 ||
	      complete(x, &w, id, QUEUE_MAILDROP, 0744, time_us, why) < 0 ? -1 : 0;
	maildrop_reader_free(&in);
	writer_free(&w);
	return got < 0 ? -1 : hand_over(x, id, QUEUE_MAILDROP, QUEUE_MAILDROP, why);
}

static int
export_drop(struct export *x, const char *id, struct fault *why)
{
	autoclose int fd = openat(queue_directory(x->ours, QUEUE_MAILDROP), id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat   st;

	if (fd < 0)
		return errno == ENOENT ? 0 : fault_errno(why, "open");
	if (is_theirs(x, QUEUE_MAILDROP, id))
		return 0;
	if (fstat(fd, &st) < 0)
		return fault_errno(why, "stat");
	if (!maildrop_is_ready(&st))
		return fault_set(why, FAULT_INPUT, "was never completed: whoever sent it was not told that it is accepted");
	if (x->move->only_look) {
		x->move->moved++;
		return 0;
	}
	return write_drop(x, id, fd, &st, why);
}

static int
export_one(struct export *x, enum queue_state s, const char *id, struct fault *why)
{
	struct fault one = {0};

	if ((s == QUEUE_MAILDROP ? export_drop(x, id, &one) : export_message(x, s, id, &one)) == 0)
		return 0;
	if (one.class != FAULT_INPUT && one.class != FAULT_TIME)
		return fault_set(why, one.class, "%s/%s: %s", queue_state_name(s), id, fault_text(&one));
	leave(x, s, id, fault_text(&one));
	return 0;
}

/* All names first: what is published may lie in the same directory. */
static int
export_state(struct export *x, enum queue_state s, struct fault *why)
{
	autotext struct text names = {0};
	struct queue_scan   *scan;
	struct queue_id      id;
	struct span          rest, name;
	int                  got;

	if (queue_scan_open(x->ours, s, &scan, why) < 0)
		return -1;
	while ((got = queue_scan_next(scan, &id, NULL, why)) == 1)
		text_add_format(&names, "%s\n", id.text);
	queue_scan_close(scan);
	for (rest = text_span(&names); got == 0 && span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		if (s == QUEUE_CORRUPT)
			leave(x, s, one, "is in the directory of corrupt files");
		else
			got = export_one(x, s, one, why);
	}
	return got;
}

/* ---- what an earlier run has left ---- */

static int
finish_one(struct export *x, const char *id, enum queue_state to, struct fault *why)
{
	for (int s = QUEUE_MAILDROP; s < QUEUE_CORRUPT; s++)
		if (final_state((enum queue_state)s) == to && !is_theirs(x, (enum queue_state)s, id) &&
		    (queue_remove(x->ours, (enum queue_state)s, id, why) < 0 || queue_sync(x->ours, (enum queue_state)s, why) < 0))
			return -1;
	return publish(x, id, to, why);
}

/* The names of what lies in between, a line each. */
static int
list_stage(struct export *x, struct text *names, struct fault *why)
{
	int            fd = openat(x->stage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR           *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return fault_errno(why, "open directory %s", STAGE);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			text_add_format(names, "%s\n", e->d_name);
	closedir(d);
	return 0;
}

/* "ID.deferred": a message that is complete. */
static bool
is_complete(struct span name, struct span *id, enum queue_state *s)
{
	return span_split(&name, '.', id) && queue_id_valid(*id) && queue_state_find(name, s);
}

static int
finish(struct export *x, struct fault *why)
{
	autotext struct text names = {0};
	struct span          rest, name, id;
	enum queue_state     s;

	if (list_stage(x, &names, why) < 0)
		return -1;
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *one = NULL;

		if (!is_complete(name, &id, &s))
			continue;
		one = mem_span(id);
		if (finish_one(x, one, s, why) < 0)
			return -1;
	}
	return 0;
}

static bool
is_anything_staged(struct export *x)
{
	autotext struct text names = {0};
	struct span          rest, name, id;
	enum queue_state     s;

	list_stage(x, &names, NULL);
	for (rest = text_span(&names); span_split(&rest, '\n', &name);)
		if (is_complete(name, &id, &s))
			return true;
	return false;
}

static int
check_origin(struct export *x, struct fault *why)
{
	autofree char       *path = mem_format("%s/" STAGE "/from", x->move->postfix), *real = realpath(x->move->ours, NULL);
	autotext struct text before = {0};

	if (!real)
		return fault_errno(why, "%s", x->move->ours);
	if (file_read(path, PATH_MAX, &before, NULL) == 0 && span_is(text_span(&before), real))
		return 0;
	if (is_anything_staged(x))
		return fault_set(why, FAULT_INPUT, "an export from %s was not finished: do that first", text_string(&before));
	return file_replace(path, span_of(real), 0600, why);
}

/* What is not whole goes: its source is there. */
static void
remove_stage(struct export *x)
{
	autotext struct text names = {0};
	struct span          rest, name;

	list_stage(x, &names, NULL);
	for (rest = text_span(&names); span_split(&rest, '\n', &name);) {
		autofree char *one = mem_span(name);

		unlinkat(x->stage, one, 0);
	}
	unlinkat(x->root, STAGE, AT_REMOVEDIR);
}

/* Postfix's files belong to whom its queue belongs. */
static int
open_theirs(struct export *x, struct fault *why)
{
	struct stat st;

	x->root = open(x->move->postfix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->root < 0)
		return fault_errno(why, "open queue directory %s", x->move->postfix);
	if (fstatat(x->root, "incoming", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return fault_set(why, FAULT_INPUT, "%s has no directory incoming: start Postfix once, or run \"postfix check\"", x->move->postfix);
	x->owner = st.st_uid;
	x->group = st.st_gid;
	return 0;
}

static int
open_stage(struct export *x, struct fault *why)
{
	if (mkdirat(x->root, STAGE, 0700) < 0 && errno != EEXIST)
		return fault_errno(why, "make directory %s/%s", x->move->postfix, STAGE);
	x->stage = openat(x->root, STAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (x->stage < 0)
		return fault_errno(why, "open directory %s/%s", x->move->postfix, STAGE);
	return check_origin(x, why) < 0 ? -1 : finish(x, why);
}

static int
export_all(struct export *x, struct fault *why)
{
	if (open_theirs(x, why) < 0 || queue_open(x->move->ours, &x->ours, why) < 0)
		return -1;
	if (!x->move->only_look && open_stage(x, why) < 0)
		return -1;
	for (int s = QUEUE_MAILDROP; s < QUEUE_STATES; s++)
		if (export_state(x, (enum queue_state)s, why) < 0)
			return -1;
	if (!x->move->only_look)
		remove_stage(x);
	return 0;
}

int
queue_export(struct queue_move *move, struct fault *why)
{
	struct export x = {.move = move, .root = -1, .stage = -1};
	int           got;

	move->moved = move->n_left = 0;
	got = export_all(&x, why);
	queue_close(x.ours);
	if (x.stage >= 0)
		close(x.stage);
	if (x.root >= 0)
		close(x.root);
	return got;
}
