/* SPDX-License-Identifier: ISC */
/*
 * quota_status.c - quota-status: may this recipient's mailbox take more?  Asked at RCPT
 *
 * Postfix's policy protocol (SMTPD_POLICY_README) under the name and the settings of Dovecot's
 * service of that name, so that what smtpd_recipient_restrictions already says goes on working:
 *
 *   127.0.0.1:12340 inet n n n - - quota-status         in master.cf
 *   check_policy_service inet:127.0.0.1:12340           in smtpd_recipient_restrictions
 *
 * Three processes a connection: the front, without any right, reads what the client says; this one
 * takes an address and a size from it and asks authd whose mailbox that is; a worker becomes that
 * user and looks into his maildirsize.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <poll.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_auth.h"
#include "local/agent.h"
#include "local/front.h"
#include "local/login_name.h"
#include "local/worker.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "store/location.h"
#include "store/quota.h"

enum { REQUEST_MOST = 16384, WORK_MS = 60000, REQUEST_MS = 60000 };

static struct {
	const char *success, *nouser, *overquota, *toolarge;
	int64_t     timeout;
} config;

static const struct param params[] = {
	DURATION("quota_status_timeout", &config.timeout, "600s", "1s", "24h", "how long a client of quota-status may be silent"),
	RAW("quota_status_success", &config.success, "DUNNO", "the answer while there is room"),
	RAW("quota_status_nouser", &config.nouser, "DUNNO", "the answer for who has no mailbox here"),
	RAW("quota_status_overquota", &config.overquota, "", "the answer for a full mailbox; empty: 552 5.2.2 (452 4.2.2 with quota_full_tempfail) and quota_exceeded_message"),
	RAW("quota_status_toolarge", &config.toolarge, "", "the answer for a message over quota_max_mail_size; empty: 552 5.2.3"),
	QUOTA_ROWS,
	END_OF_PARAMS
};

static int
prepare(struct fault *why)
{
	if (!*quota_settings.root)
		return fault_set(why, FAULT_INPUT, "quota-status needs the parameter quota");
	if (quota_settings_check(&quota_settings, why) < 0)
		return -1;
	return front_prepare(why);
}

/* ------------------------------------------------------------ the front */

struct wish { struct span recipient, size; };

static void
take_line(struct span line, struct wish *w)
{
	struct span name;

	if (!span_split(&line, '=', &name))
		return;
	if (span_is(name, "recipient"))
		w->recipient = line;
	else if (span_is(name, "size"))
		w->size = line;
}

/* False when the time was over first: a client that says nothing, or reads nothing, holds no process. */
static bool
is_ready(int client, short what, int64_t deadline)
{
	struct pollfd p = {.fd = client, .events = what};

	return poll(&p, 1, (int)clock_left(deadline)) > 0;
}

/* One request to this program, its answer to the client. */
static int
pass_wish(struct span request, int inside, int client)
{
	autoframe struct frame f = {0}, answer = {0};
	autotext struct text   out = {0};
	struct wish            w = {SPAN_NONE, SPAN_NONE};
	struct span            line, action = SPAN_NONE;
	int64_t                deadline = clock_after(3 * WORK_MS);

	while (span_next(&request, "\n", &line))
		take_line(line, &w);
	frame_start(&f, "check");
	frame_put(&f, "recipient", span_first(w.recipient, 255));
	frame_put(&f, "size", span_first(w.size, 20));
	if (frame_send(inside, &f, clock_after(WORK_MS), NULL) < 0
		|| frame_receive(inside, &answer, clock_after(2 * WORK_MS), NULL) != 0
		|| !frame_get(&answer, "action", &action))
		return -1;
	text_add_format(&out, "action=%.*s\n\n", SPAN_ARGS(action));
	for (size_t at = 0; at < out.len;) {
		ssize_t n = is_ready(client, POLLOUT, deadline) ? send(client, out.at + at, out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;

		if (n <= 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

static void
be_front(int client, int inside)
{
	autotext struct text in = {0};
	int64_t              deadline = clock_after(config.timeout);

	for (;;) {
		ptrdiff_t end = span_find_text(text_span(&in), SPAN("\n\n"));
		ssize_t   n;

		if (end >= 0) {
			if (pass_wish(span_first(text_span(&in), (size_t)end), inside, client) < 0)
				return;
			text_drop(&in, (size_t)end + 2);
			deadline = clock_after(in.len ? REQUEST_MS : config.timeout);
			continue;
		}
		if (in.len >= REQUEST_MOST)
			return;
		if (!is_ready(client, POLLIN, deadline))
			return;
		n = recv(client, text_room(&in, 4096), 4096, 0);
		if (n <= 0)
			return;
		if (in.len == 0)               /* begun: it comes soon, or not at all */
			deadline = clock_after(REQUEST_MS);
		in.len += (size_t)n;
	}
}

/* ------------------------------------------------------------ the worker */

struct question {
	struct auth_user who;
	struct text      root;
	struct quota    *quota;
	int64_t          size;
	enum { ROOM, FULL, TOO_LARGE, TROUBLE } verdict;
};

static void
look(struct worker *w, void *context)
{
	struct question       *q = context;
	struct maildir        *m = NULL;
	struct fault           why = {0};
	autoframe struct frame f = {0};
	const char            *root = text_string(&q->root);
	int                    verdict = ROOM;

	if (maildir_open(root, 0, &m, &why) < 0) {
		verdict = why.error == ENOENT ? ROOM : TROUBLE; /* made by the first delivery */
	} else if (sandbox_close_mailbox(root, &why) < 0) {
		verdict = TROUBLE;
	} else {
		maildir_set_quota(m, q->quota);
		if (quota_check(q->quota, m, "", q->size ? q->size : 1, 1, q->size, QUOTA_DELIVERING, &why) < 0)
			verdict = why.class != FAULT_DENIED ? TROUBLE : why.error == EFBIG ? TOO_LARGE : FULL;
	}
	frame_start(&f, "verdict");
	frame_put_number(&f, "is", verdict);
	if (verdict == TROUBLE)
		frame_put_string(&f, "reason", fault_text(&why));
	worker_tell(w, &f);
	maildir_close(m);
}

static int
hear(void *context, struct frame *f, struct fault *why)
{
	struct question *q = context;
	struct span      reason = SPAN_NONE;
	int64_t          is;

	if (!frame_is(f, "verdict") || !frame_get_number(f, "is", &is) || is < ROOM || is > TROUBLE) {
		frame_get(f, "reason", &reason);
		return fault_set(why, FAULT_INPUT, "no verdict: %.*s", SPAN_ARGS(reason));
	}
	q->verdict = (int)is;
	if (is == TROUBLE && frame_get(f, "reason", &reason))
		log_warning("quota-status(%s): %.*s", q->who.user, SPAN_ARGS(reason));
	return 0;
}

/* ------------------------------------------------------------ between them */

static const char *
say_full(struct arena *a)
{
	if (*config.overquota)
		return config.overquota;
	return arena_format(a, "%s %s", quota_settings.tempfail ? "452 4.2.2" : "552 5.2.2",
		quota_settings.exceeded_message);
}

static const char *
decide(struct span recipient, struct span size, struct arena *a)
{
	struct question q = {.verdict = TROUBLE};
	struct identity who = {0};
	struct location where = {0};
	struct fault    why = {0};
	uint64_t        bytes = 0;
	int             done;

	if (!recipient.len)
		return "DUNNO";
	if (login_name_find(recipient, &q.who, &why) < 0) {
		if (why.class == FAULT_DENIED)
			return config.nouser;
		log_warning("quota-status: %s", fault_text(&why));
		return "DEFER_IF_PERMIT 4.3.0 quota lookup failure";
	}
	span_number(size, &bytes);
	q.size = (int64_t)bytes;
	who.uid = q.who.uid;
	who.gid = q.who.gid;
	done = quota_make(&quota_settings, span_of(q.who.quota), &q.quota, &why) == 0
		&& location_parse(span_of(q.who.mail), span_of(q.who.user), span_of(q.who.home), &where, &why) == 0 ? 0 : -1;
	if (done == 0) {
		struct worker_job job = {.who = &who, .limit_ms = WORK_MS, .work = look, .hear = hear, .context = &q};

		text_set(&q.root, text_span(&where.root));
		done = worker_run(&job, NULL, &why);
	}
	if (done < 0)
		log_warning("quota-status(%s): %s", q.who.user, fault_text(&why));
	location_free(&where);
	text_free(&q.root);
	quota_free(q.quota);
	switch (q.verdict) {
	case ROOM: return config.success;
	case FULL: return say_full(a);
	case TOO_LARGE: return *config.toolarge ? config.toolarge
		: "552 5.2.3 Mail size is larger than the maximum size allowed by server configuration";
	default: return "DEFER_IF_PERMIT 4.3.0 quota lookup failure";
	}
}

static void
answer_front(int inside)
{
	for (;;) {
		autoarena struct arena *a = arena_new();
		autoframe struct frame  f = {0}, answer = {0};
		struct span             recipient = SPAN_NONE, size = SPAN_NONE;

		if (frame_receive(inside, &f, INT64_MAX, NULL) != 0 || !frame_is(&f, "check"))
			return;
		frame_get(&f, "recipient", &recipient);
		frame_get(&f, "size", &size);
		frame_start(&answer, "answer");
		frame_put_string(&answer, "action", decide(recipient, size, a));
		if (frame_send(inside, &answer, clock_after(WORK_MS), NULL) < 0)
			return;
	}
}

static void
serve(int client, const struct listener *unused)
{
	(void)unused;
	front_serve(client, be_front, answer_front);
}

static const char *const asks[] = {"authd", NULL};
static const char *const anywhere[] = {"/", NULL};

static const struct service quota_status = {
	.name     = "quota-status",
	.about    = "tells smtpd at RCPT whether a mailbox is full (policy protocol)",
	.role     = ROLE_ROOT,
	.model    = SERVE_FORKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE | MAY_FORK | MAY_BECOME,
	.reads    = anywhere,
	.writes   = anywhere,
	.params   = params,
	.tasks    = "1",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&quota_status, argc, argv);
}
