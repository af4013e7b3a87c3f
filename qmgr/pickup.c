/* SPDX-License-Identifier: ISC */
/*
 * pickup.c - takes mail of local users out of maildrop/ and submits it
 *
 * Any local user may have written those files (queue/maildrop.h).  A file is
 * removed after cleanup has committed its message, under the file's own name:
 * after a crash in between cleanup says that there is such a message already, and when
 * it was delivered by then, qmgr has removed the file.  What cleanup refuses for good goes back to
 * its sender; what is not a message at all goes to corrupt/, with a warning.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/log_address.h"
#include "ipc/notify.h"
#include "ipc/submit.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/line.h"
#include "milter/milter.h"
#include "queue/maildrop.h"
#include "queue/queue.h"
#include "service/service.h"

enum {
	SCAN_MS = 60 * 1000,
	SUBMIT_MS = 300 * 1000,
	ORPHAN_SECONDS = 36 * 3600,
	AGAIN_MS = 5 * 1000,
	NOTICE_MS = 100 * 1000
};

static struct queue *queue;
static bool          again;     /* something could not be done now: look sooner */

static struct config {
	const char *cleanup_service_name, *content_filter;
	struct list receive_override_options, non_smtpd_milters;
	struct milter_settings milter;
} config;
static struct milter_specs milters;

static const struct param params[] = {
	STRING("cleanup_service_name", &config.cleanup_service_name, "cleanup", "who takes the messages"),
	STRING("content_filter", &config.content_filter, "", "transport:destination that mail goes through first"),
	LIST  ("receive_override_options", &config.receive_override_options, "", "no_address_mappings no_header_body_checks no_milters"),
	LIST  ("non_smtpd_milters", &config.non_smtpd_milters, "", "mail filters for mail that did not come by SMTP"),
	MILTER_PARAMS(config.milter),
	END_OF_PARAMS
};

struct letter {
	struct arena          *arena;
	const char            *name;        /* in maildrop */
	struct maildrop_reader in;
	uid_t                  uid;
	struct submit_envelope envelope;
	struct submit_rcpt    *rcpts;       /* owned */
	size_t                 n_rcpts, room;
	int64_t                notify;
	struct submission     *submission;
	int                    fd;          /* the submission's */
	int64_t                at, end;
	char                   status[16];  /* of a milter's refusal */
};

/* ---- envelope ---- */

static void
take_attribute(struct letter *l, struct span s)
{
	struct span name;
	uint64_t    n;

	span_split(&s, '=', &name);
	s = arena_span(l->arena, s);
	if (span_is(name, "ret"))
		l->envelope.ret = s;
	else if (span_is(name, "body"))
		l->envelope.body = s;
	else if (span_is(name, "envid"))
		l->envelope.envid = s;
	else if (span_is(name, "verp"))
		l->envelope.verp = s;
	else if (span_is(name, "notify") && span_number(s, &n))
		l->notify = (int64_t)n;
	else if (span_is(name, "smtputf8"))
		l->envelope.smtputf8 = true;
	else if (span_is(name, "verify"))
		l->envelope.verify_only = true;
	else if (span_is(name, "trace"))
		l->envelope.trace = true;
}

static int
take_address(struct letter *l, struct span value, struct span *out, struct fault *why)
{
	*out = SPAN_NONE;
	if (value.len == 0)
		return 0;
	return address_parse(l->arena, arena_span(l->arena, value), ADDRESS_UTF8, out, why);
}

static int
take_rcpt(struct letter *l, struct span value, struct fault *why)
{
	struct span address;

	if (take_address(l, value, &address, why) < 0)
		return -1;
	if (address.len == 0)
		return fault_set(why, FAULT_INPUT, "empty recipient");
	if (l->n_rcpts == l->room) {
		l->room = l->room ? l->room * 2 : 8;
		l->rcpts = mem_grow(l->rcpts, l->room, sizeof *l->rcpts);
	}
	l->rcpts[l->n_rcpts++] = (struct submit_rcpt){.address = address};
	return 0;
}

static int
read_envelope(struct letter *l, char *type, struct span *value, struct fault *why)
{
	int got;

	while ((got = maildrop_next(&l->in, type, value, why)) > 0 && *type != 'D') {
		if (*type == 'A')
			take_attribute(l, *value);
		else if (*type == 'F')
			l->envelope.full_name = arena_span(l->arena, *value);
		else if (*type == 'S' && take_address(l, *value, &l->envelope.sender, why) < 0)
			return -1;
		else if (*type == 'R' && take_rcpt(l, *value, why) < 0)
			return -1;
	}
	return got;
}

/* ---- content ---- */

static int
put(struct letter *l, struct text *bytes, struct fault *why)
{
	if (file_write_at(l->fd, text_span(bytes), l->end, why) < 0)
		return -1;
	l->end += (int64_t)bytes->len;
	text_clear(bytes);
	return 0;
}

static void
received(const struct letter *l, struct text *out)
{
	text_add_format(out, "Received: by %s (%s, from userid %ld)\r\n\tid %s; ", site.myhostname,
	                site.mail_name, (long)l->uid, submit_queue_id(l->submission));
	date_add_local(clock_wall() / 1000000, out);
	text_add(out, SPAN("\r\n"));
}

/* From the first record of content, which was read already (got says so), to the end. */
static int
copy_content(struct letter *l, int got, char type, struct span value, struct fault *why)
{
	struct line_encoder  e;
	autotext struct text out = {0};

	line_encoder_start(&e, false, 0);
	received(l, &out);
	for (; got > 0; got = maildrop_next(&l->in, &type, &value, why)) {
		line_encode(&e, value, &out);
		if (put(l, &out, why) < 0)
			return -1;
	}
	if (got < 0)
		return -1;
	line_encode_end(&e, &out);
	return put(l, &out, why);
}

/* ---- submitting ---- */

static struct submit_origin
origin(const char *name)
{
	return (struct submit_origin){
	        .origin = "pickup",
	        .queue_id = span_of(name),
	        .local_client = true,
	        .client_name = SPAN("localhost"),
	        .client_address = SPAN("127.0.0.1"),
	        .no_address_mapping =
	                list_has(&config.receive_override_options, "no_address_mappings"),
	        .no_header_body_checks =
	                list_has(&config.receive_override_options, "no_header_body_checks"),
	        .no_milters = list_has(&config.receive_override_options, "no_milters"),
	};
}

/* 1: the message is in the queue, or was finished, after a pickup before us brought it. */
static int
open_submission(struct letter *l, struct fault *why)
{
	struct submit_origin o = origin(l->name);
	struct stat          st;

	if (submit_open(&o, clock_after(SUBMIT_MS), &l->submission, why) < 0)
		return -1;
	if (submit_held(l->submission))
		return fault_set(why, FAULT_TIME, "another writer is at it");
	if (fstat(l->in.fd, &st) < 0)
		return fault_errno(why, "stat");
	return submit_already(l->submission) || st.st_nlink == 0;
}

/* 0 with what milters want changed; 1: thrown away; -1 refused, or not now. */
static int
judge(struct letter *l, struct text *edits, struct fault *why)
{
	struct milter_mail mail = {
	        .submission = l->submission, .fd = l->fd, .envelope = &l->envelope, .rcpts = l->rcpts, .n_rcpts = l->n_rcpts,
	        .size_limit = site.message_size_limit, .myhostname = site.myhostname, .soft_bounce = site.soft_bounce};

	return milters_judge(&milters, &mail, edits, l->status, why);
}

/* "5.7.1": by a milter, or by cleanup */
static const char *
status_of(const struct letter *l)
{
	return l->status[0] ? l->status : submit_status(l->submission);
}

static void
log_taken(const struct letter *l)
{
	autotext struct text from = {0};

	log_add_address(&from, "from=", l->envelope.sender);
	log_info("%s: uid=%ld %s", submit_queue_id(l->submission), (long)l->uid, text_string(&from));
}

static int
submit(struct letter *l, struct fault *why)
{
	autotext struct text edits = {0};
	char                 type = 0;
	struct span          value = SPAN_NONE;
	int                  got = read_envelope(l, &type, &value, why), got_it, judged;

	if (got < 0)
		return -1;
	got_it = open_submission(l, why);
	if (got_it == 1)
		log_info("%s: from maildrop: is in the queue already", l->name);
	if (got_it != 0)
		return got_it < 0 ? -1 : 0;
	log_taken(l);
	if (submit_content(l->submission, &l->fd, &l->at, why) < 0)
		return -1;
	l->end = l->at;
	if (copy_content(l, got, type, value, why) < 0)
		return -1;
	for (size_t i = 0; i < l->n_rcpts; i++) {
		l->rcpts[i].notify = l->notify;
		/* for others "alice" is nobody: reports tell whose she is (RFC 3461, 5.2.1) */
		if (l->rcpts[i].orcpt.len == 0 && span_find_any(l->rcpts[i].address, "@!%") < 0)
			l->rcpts[i].orcpt = span_of(arena_format(l->arena, "rfc822;%.*s@%s", SPAN_ARGS(l->rcpts[i].address), site.myorigin));
		if (submit_recipient(l->submission, &l->rcpts[i], why) < 0)
			return -1;
	}
	l->envelope.length = l->end - l->at;
	if (l->envelope.filter.len == 0)
		l->envelope.filter = span_of(config.content_filter);
	if (submit_prepare(l->submission, &l->envelope, why) < 0)
		return -1;
	judged = judge(l, &edits, why);
	if (judged != 0)
		return judged < 0 ? -1 : 0;
	submit_deadline(l->submission, clock_after(SUBMIT_MS));
	if (submit_commit(l->submission, text_span(&edits), why) == 0)
		return 0;
	if (why->class == FAULT_PEER || why->class == FAULT_TIME) /* it may have been committed */
		log_info("%s: no answer to the commit: will ask whether it is in the queue", l->name);
	return -1;
}

/* Refused for good: its sender is told, with what was written so far. */
static int
send_back(struct letter *l, const struct fault *refusal, struct fault *why)
{
	autofree struct notice_rcpt *rcpts = mem_array(l->n_rcpts + 1, sizeof *rcpts);
	autofree char               *pieces =
	        mem_format("%lld+%lld", (long long)l->at, (long long)(l->end - l->at));
	struct notice n = {
	        .kind = SPAN("failure"),
	        .queue_id = span_of(submit_queue_id(l->submission)),
	        .sender = l->envelope.sender,
	        .envid = l->envelope.envid,
	        .ret = l->envelope.ret,
	        .pieces = span_of(pieces),
	        .arrival_us = clock_wall(),
	        .size = l->end - l->at,
	        .smtputf8 = l->envelope.smtputf8,
	        .content = l->fd,
	        .rcpts = rcpts,
	        .n_rcpts = l->n_rcpts,
	};
	char id[64];

	for (size_t i = 0; i < l->n_rcpts; i++) {
		rcpts[i] = (struct notice_rcpt){.address = l->rcpts[i].address,
		                                .action = SPAN("failed"),
		                                .dsn = span_of(status_of(l)),
		                                .text = span_of(fault_text(refusal)),
		                                .notify = l->notify};
		log_info("%s: to=<%.*s>, relay=none, delay=0, delays=0/0/0/0, dsn=%s, "
		         "status=bounced (%s)",
		         submit_queue_id(l->submission), SPAN_ARGS(l->rcpts[i].address),
		         status_of(l), fault_text(refusal));
	}
	if (l->envelope.sender.len == 0 || l->notify == NOTIFY_NEVER)
		return 0; /* nobody to tell */
	if (notify_ask(&n, clock_after(NOTICE_MS), id, sizeof id, why) < 0)
		return -1;
	log_info("%s: sender non-delivery notification: %s", submit_queue_id(l->submission), id);
	return 0;
}

static void
set_aside(const char *name, const char *reason)
{
	struct fault why = {0};

	if (queue_quarantine(queue, QUEUE_MAILDROP, name, reason, &why) < 0)
		log_warning("%s", fault_text(&why));
}

static void
letter_end(struct letter *l)
{
	submit_close(l->submission);
	maildrop_reader_free(&l->in);
	free(l->rcpts);
	arena_free(l->arena);
}

/* The message is in the queue, or its sender was told. */
static void
remove_file(const char *name)
{
	struct fault why = {0};

	(void)fault_point("pickup.committed", NULL);
	if (queue_remove(queue, QUEUE_MAILDROP, name, &why) < 0)
		log_warning("%s", fault_text(&why)); /* next time cleanup says that it is in the queue */
}

/*
 * -1: cleanup takes nothing (it is away, or the disk is full): the others will fare no better
 * now. A message that it will not take just now stands in nobody's way.
 */
static int
pick_up(const char *name, int fd, uid_t uid)
{
	struct letter l = {.arena = arena_new(), .name = name, .in.fd = fd, .uid = uid, .fd = -1};
	struct fault  why = {0}, more = {0};
	int           done = submit(&l, &why);

	if (done == 0) {
		submit_close(take(l.submission));
		remove_file(name);
	} else if (why.class == FAULT_INPUT) {
		set_aside(name, fault_text(&why));
		done = 0;
	} else if (why.class == FAULT_DENIED && l.submission && l.fd >= 0) {
		done = send_back(&l, &why, &more);
		if (done == 0)
			remove_file(name);
		else
			log_warning("maildrop/%s: cannot tell its sender: %s", name,
			            fault_text(&more));
		done = 0;
	} else {
		log_warning("maildrop/%s: %s: will try again", name, fault_text(&why));
		again = true;
		done = l.submission ? 0 : -1;
	}
	letter_end(&l);
	return done;
}

static int
look_at(const char *name)
{
	autoclose int fd = openat(queue_directory(queue, QUEUE_MAILDROP), name,
	                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat   st;

	if (fd < 0) {
		if (errno != EACCES && errno != ENOENT) /* EACCES: being written, by another user */
			log_warning("maildrop/%s: %s", name, strerror(errno));
		return 0;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0; /* the pickup before us is at it, and ends when it is done */
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return 0;
	if (!maildrop_is_ready(&st)) {
		if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
			set_aside(name, "not a file of postdrop");
		return 0;
	}
	return pick_up(name, fd, st.st_uid);
}

/* What postdrop left half-written when it was killed. */
static void
sweep(const char *name, int64_t mtime_us)
{
	struct stat st;
	int         dir = queue_directory(queue, QUEUE_MAILDROP);

	if (mtime_us / 1000000 > clock_wall() / 1000000 - ORPHAN_SECONDS ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!maildrop_is_ready(&st) && unlinkat(dir, name, 0) == 0)
		log_info("maildrop/%s: removed: its writer did not finish", name);
}

static int
scan(struct fault *why)
{
	struct queue_scan *walk;
	struct queue_id    id;
	int64_t            mtime;
	int                got;

	if (queue_scan_open(queue, QUEUE_MAILDROP, &walk, why) < 0)
		return -1;
	while ((got = queue_scan_next(walk, &id, &mtime, why)) > 0 && !service_stopping()) {
		if (look_at(id.text) < 0)
			break;
		sweep(id.text, mtime);
	}
	queue_scan_close(walk);
	return got < 0 ? -1 : 0;
}

/* ---- waiting ---- */

/* A connection is a wish; several before we look are one. */
static void
take_wishes(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	for (int i = 0; i < 100 && poll(&p, 1, 0) > 0; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return;
		close(fd);
	}
}

static int
run(const struct listener *listeners, size_t count, struct fault *why)
{
	struct pollfd *p = mem_array(count + 1, sizeof *p);

	submit_service(config.cleanup_service_name);
	for (size_t i = 0; i < count; i++) {
		p[i] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
		file_descriptor_flags(listeners[i].fd, true, true);
	}
	p[count] = (struct pollfd){.fd = service_stop_fd(), .events = POLLIN};
	while (!service_stopping()) {
		again = false;
		if (scan(why) < 0)
			log_warning("%s", fault_text(why));
		if (poll(p, count + 1, again ? AGAIN_MS : SCAN_MS) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < count; i++)
			take_wishes(listeners[i].fd);
	}
	free(p);
	return 0;
}

static int
prepare(struct fault *why)
{
	if (!list_has(&config.receive_override_options, "no_milters") &&
	    milter_specs_parse(&config.non_smtpd_milters, &config.milter, &milters, why) < 0)
		return fault_prefix(why, "non_smtpd_milters");
	return queue_open(site.queue_directory, &queue, why);
}

static const char *const asks[] = {"cleanup", "bounce", "dialer", NULL};
static const char *const reads[] = {"$queue_directory/maildrop", NULL};
static const char *const writes[] = {"$queue_directory/maildrop", "$queue_directory/corrupt", NULL};

static const struct service pickup = {
	.name = "pickup",
	.about = "submits mail of local users",
	.role = ROLE_MAIL,
	.model = SERVE_ITSELF,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE,
	.reads = reads,
	.writes = writes,
	.params = params,
	.tasks = "1",
	.prepare = prepare,
	.run = run,
};

int
main(int argc, char **argv)
{
	return service_run(&pickup, argc, argv);
}
