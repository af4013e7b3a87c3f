/* SPDX-License-Identifier: ISC */
/*
 * submit.c - "take this message into the queue": the client, and what both ends share
 *
 * A submission holds one connection from open to the end; a connection that
 * has seen committed or aborted goes back to the pool.  submit_open alone is
 * tried again on a new connection, since nothing has happened yet.
 */
#include "ipc/submit.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { SUBMIT_MAGIC = 0x5375626d, EDITS_A_FRAME = 32768, STATUS_SIZE = 16, END_MS = 10 * 1000, RCPTS_WAIT = 20 };

struct submission {
	unsigned    magic;
	int         sock;
	int64_t     deadline;
	char        queue_id[64];
	char        status[STATUS_SIZE];
	int         fd;
	int64_t     end;
	struct text pieces;
	struct frame rcpts[RCPTS_WAIT]; /* not sent yet */
	size_t      n_rcpts;
	bool        already, held;
	bool        over;               /* committed, or aborted by the server */
};

static char service_name[64] = "cleanup";

void
submit_service(const char *name)
{
	snprintf(service_name, sizeof service_name, "%s", name);
}

/* ---- fields ---- */

static const struct field rcpt_fields[] = {
	FIELD_TEXT(struct submit_rcpt, address, "address", FIELD_NEEDED),
	FIELD_TEXT(struct submit_rcpt, original, "original", 0),
	FIELD_TEXT(struct submit_rcpt, orcpt, "orcpt", 0),
	FIELD_NUMBER(struct submit_rcpt, notify, "notify", 0),
	FIELD_END
};

static const struct field envelope_fields[] = {
	FIELD_TEXT(struct submit_envelope, sender, "sender", FIELD_NEEDED),
	FIELD_NUMBER(struct submit_envelope, length, "length", FIELD_NEEDED),
	FIELD_TEXT(struct submit_envelope, envid, "envid", 0),
	FIELD_TEXT(struct submit_envelope, ret, "ret", 0),
	FIELD_TEXT(struct submit_envelope, body, "body", 0),
	FIELD_FLAG(struct submit_envelope, smtputf8, "smtputf8", 0),
	FIELD_TEXT(struct submit_envelope, auth, "auth", 0),
	FIELD_TEXT(struct submit_envelope, filter, "filter", 0),
	FIELD_TEXT(struct submit_envelope, redirect, "redirect", 0),
	FIELD_TEXT(struct submit_envelope, verp, "verp", 0),
	FIELD_FLAG(struct submit_envelope, verify_only, "verify_only", 0),
	FIELD_FLAG(struct submit_envelope, trace, "trace", 0),
	FIELD_NUMBER(struct submit_envelope, arrival_us, "arrival_us", 0),
	FIELD_TEXT(struct submit_envelope, full_name, "full_name", 0),
	FIELD_FLAG(struct submit_envelope, commit, "commit", 0),
	FIELD_END
};

/* A C string cannot be decoded in place: "origin" is one of these. */
static const char *const origins[] = {"smtpd", "pickup", "bounce", "local", "qmgr", "verify", "notify", "test"};

struct open_request {
	struct submit_origin o;
	struct span          origin;
};

static const struct field open_fields[] = {
	FIELD_TEXT(struct open_request, origin, "origin", FIELD_NEEDED),
	FIELD_TEXT(struct open_request, o.client_name, "client_name", 0),
	FIELD_TEXT(struct open_request, o.client_address, "client_address", 0),
	FIELD_TEXT(struct open_request, o.client_port, "client_port", 0),
	FIELD_TEXT(struct open_request, o.helo, "helo", 0),
	FIELD_TEXT(struct open_request, o.protocol, "protocol", 0),
	FIELD_TEXT(struct open_request, o.sasl_method, "sasl_method", 0),
	FIELD_TEXT(struct open_request, o.sasl_user, "sasl_user", 0),
	FIELD_FLAG(struct open_request, o.local_client, "local_client", 0),
	FIELD_FLAG(struct open_request, o.no_address_mapping, "no_address_mapping", 0),
	FIELD_FLAG(struct open_request, o.no_header_body_checks, "no_header_body_checks", 0),
	FIELD_FLAG(struct open_request, o.no_milters, "no_milters", 0),
	FIELD_FLAG(struct open_request, o.hold, "hold", 0),
	FIELD_TEXT(struct open_request, o.queue_id, "queue_id", 0),
	FIELD_END
};

/* The other direction by the same tables: what is empty, 0 or no is left out, unless needed. */
static void
put_fields(struct frame *f, const struct field *fields, const void *from)
{
	for (; fields->name; fields++) {
		const char *at = (const char *)from + fields->offset;

		if (fields->kind == FIELD_IS_TEXT &&
		    (((const struct span *)at)->len || fields->needed))
			frame_put(f, fields->name, *(const struct span *)at);
		else if (fields->kind == FIELD_IS_NUMBER &&
		         (*(const int64_t *)at || fields->needed))
			frame_put_number(f, fields->name, *(const int64_t *)at);
		else if (fields->kind == FIELD_IS_FLAG && *(const bool *)at)
			frame_put_flag(f, fields->name, true);
	}
}

int
submit_decode_open(struct frame *f, struct submit_origin *out, struct fault *why)
{
	struct open_request r = {.o.client_name = SPAN_NONE};

	if (frame_decode(f, open_fields, &r, why) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(origins); i++)
		if (span_is(r.origin, origins[i])) {
			*out = r.o;
			out->origin = origins[i];
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "unknown origin");
}

int
submit_decode_rcpt(struct frame *f, struct submit_rcpt *out, struct fault *why)
{
	struct submit_rcpt r = {.address = SPAN_NONE};

	if (frame_decode(f, rcpt_fields, &r, why) < 0)
		return -1;
	if (r.notify < 0 || r.notify > 15 || (r.notify & NOTIFY_NEVER && r.notify != NOTIFY_NEVER))
		return fault_set(why, FAULT_INPUT, "impossible notify");
	*out = r;
	return 0;
}

int
submit_decode_prepare(struct frame *f, struct submit_envelope *out, struct fault *why)
{
	struct submit_envelope e = {.sender = SPAN_NONE};

	if (frame_decode(f, envelope_fields, &e, why) < 0)
		return -1;
	if (e.length < 0 || e.arrival_us < 0)
		return fault_set(why, FAULT_INPUT, "impossible length");
	*out = e;
	return 0;
}

void
submit_refuse(struct frame *answer, const char *status, const char *format, ...)
{
	autotext struct text reason = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&reason, format, args);
	va_end(args);
	frame_start(answer, "refused");
	frame_put_string(answer, "status", status);
	frame_put(answer, "reason", text_span(&reason));
}

/* ---- the client ---- */

/* In one go with what is asked next: cleanup wakes up once for all of them. */
static int
send_rcpts(struct submission *s, struct fault *why)
{
	for (size_t i = 0; i < s->n_rcpts; i++)
		if (frame_send(s->sock, &s->rcpts[i], s->deadline, why) < 0) {
			shutdown(s->sock, SHUT_RDWR); /* the client was told no: nothing of this may be committed later */
			return fault_prefix(why, "%s", service_name);
		}
	s->n_rcpts = 0;
	return 0;
}

/* Sends and awaits `verb`; "refused" and a lost connection set the status. */
static int
ask(struct submission *s, struct frame *f, const char *verb, struct fault *why)
{
	struct span status, reason = SPAN_NONE;
	int         got;

	snprintf(s->status, sizeof s->status, "4.3.0");
	if (send_rcpts(s, why) < 0)
		return -1;
	if (frame_send(s->sock, f, s->deadline, why) < 0)
		return fault_prefix(why, "%s", service_name);
	got = frame_receive(s->sock, f, s->deadline, why);
	if (got != 0)
		return got < 0 ? fault_prefix(why, "%s", service_name)
		               : fault_set(why, FAULT_PEER,
		                           "%s: connection closed before an answer", service_name);
	if (frame_is(f, verb))
		return 0;
	if (!frame_is(f, "refused"))
		return fault_set(why, FAULT_PEER, "%s: unexpected answer", service_name);
	frame_get(f, "reason", &reason);
	if (frame_get(f, "status", &status) && status.len < sizeof s->status)
		snprintf(s->status, sizeof s->status, "%.*s", SPAN_ARGS(status));
	fault_set(why, s->status[0] == '5' ? FAULT_DENIED : FAULT_SYSTEM, "%.*s", SPAN_ARGS(reason));
	if (why && strcmp(s->status, "4.3.1") == 0)
		why->error = ENOSPC;
	return -1;
}

static void
submission_free(struct submission *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->sock >= 0)
		close(s->sock);
	text_free(&s->pieces);
	for (size_t i = 0; i < RCPTS_WAIT; i++)
		frame_clear(&s->rcpts[i]);
	s->magic = 0;
	free(s);
}

int
submit_open(const struct submit_origin *o, int64_t deadline, struct submission **out,
            struct fault *why)
{
	struct open_request r = {.o = *o, .origin = span_of(o->origin)};

	for (int tries = 0;; tries++) {
		autoframe struct frame f = {0};
		struct submission     *s = mem_alloc(sizeof *s);
		struct span            id = SPAN_NONE;

		*s = (struct submission){
		        .magic = SUBMIT_MAGIC, .sock = -1, .fd = -1, .deadline = deadline};
		frame_start(&f, "open");
		put_fields(&f, open_fields, &r);
		if (peer_take(service_name, deadline, &s->sock, why) == 0 &&
		    ask(s, &f, "opened", why) == 0 && frame_get(&f, "queue_id", &id) &&
		    id.len < sizeof s->queue_id) {
			memcpy(s->queue_id, id.at, id.len);
			s->already = frame_get_flag(&f, "already");
			s->held = frame_get_flag(&f, "held");
			*out = s;
			return 0;
		}
		submission_free(s);
		if (tries > 2 || clock_left(deadline) == 0 || (why && why->class != FAULT_PEER))
			return -1;
	}
}

bool
submit_held(const struct submission *s)
{
	return s->held;
}

bool
submit_already(const struct submission *s)
{
	return s->already;
}

const char *
submit_queue_id(const struct submission *s)
{
	return s->queue_id;
}

void
submit_deadline(struct submission *s, int64_t deadline)
{
	assert(s->magic == SUBMIT_MAGIC);
	s->deadline = deadline;
}

const char *
submit_status(const struct submission *s)
{
	return s->status[0] ? s->status : "4.3.0";
}

int
submit_content(struct submission *s, int *fd, int64_t *at, struct fault *why)
{
	autoframe struct frame f = {0};
	int64_t                begin;

	assert(s->magic == SUBMIT_MAGIC && s->fd < 0);
	frame_start(&f, "content");
	if (ask(s, &f, "content", why) < 0)
		return -1;
	s->fd = frame_take_fd(&f, "file");
	if (s->fd < 0 || !frame_get_number(&f, "at", &begin))
		return fault_set(why, FAULT_PEER, "%s: malformed answer", service_name);
	*fd = s->fd;
	*at = begin;
	return 0;
}

int
submit_recipient(struct submission *s, const struct submit_rcpt *r, struct fault *why)
{
	struct frame *f;

	assert(s->magic == SUBMIT_MAGIC);
	if (s->n_rcpts == RCPTS_WAIT && send_rcpts(s, why) < 0)
		return -1;
	f = &s->rcpts[s->n_rcpts++];
	frame_start(f, "rcpt");
	put_fields(f, rcpt_fields, r);
	return 0;
}

int
submit_prepare(struct submission *s, const struct submit_envelope *e, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            pieces = SPAN_NONE;

	assert(s->magic == SUBMIT_MAGIC);
	frame_start(&f, "prepare");
	put_fields(&f, envelope_fields, e);
	if (ask(s, &f, e->commit ? "committed" : "prepared", why) < 0)
		return -1;
	s->over = e->commit;
	if (s->over)
		return 0;
	if (!frame_get(&f, "pieces", &pieces) || !frame_get_number(&f, "end", &s->end))
		return fault_set(why, FAULT_PEER, "%s: malformed answer", service_name);
	text_set(&s->pieces, pieces);
	return 0;
}

struct span
submit_pieces(const struct submission *s)
{
	return text_span(&s->pieces);
}

int64_t
submit_end(const struct submission *s)
{
	return s->end;
}

static int
send_edits(struct submission *s, struct span edits, struct fault *why)
{
	while (edits.len) {
		autoframe struct frame f = {0};
		struct span            rest = edits;
		struct submit_edit     e;
		size_t                 part = 0;
		int                    got;

		/* as many whole records as fit, one at least */
		while ((got = submit_edit_next(&rest, &e, why)) > 0 &&
		       (part == 0 || edits.len - rest.len <= EDITS_A_FRAME))
			part = edits.len - rest.len;
		if (got < 0)
			return -1;
		frame_start(&f, "edit");
		frame_put(&f, "edits", span_first(edits, part));
		if (frame_send(s->sock, &f, s->deadline, why) < 0)
			return -1;
		edits = span_from(edits, part);
	}
	return 0;
}

int
submit_commit(struct submission *s, struct span edits, struct fault *why)
{
	autoframe struct frame f = {0};

	assert(s->magic == SUBMIT_MAGIC && (!s->over || !edits.len));
	if (s->over) /* by prepare */
		return 0;
	if (send_edits(s, edits, why) < 0)
		return -1;
	frame_start(&f, "commit");
	if (ask(s, &f, "committed", why) < 0)
		return -1;
	s->over = true;
	return 0;
}

void
submit_close(struct submission *s)
{
	autoframe struct frame f = {0};

	if (!s)
		return;
	assert(s->magic == SUBMIT_MAGIC);
	if (!s->over) {
		s->deadline = clock_after(END_MS);
		s->n_rcpts = 0;
		frame_start(&f, "abort");
		s->over = ask(s, &f, "aborted", NULL) == 0;
	}
	if (s->over)
		peer_give(service_name, take_fd(s->sock));
	submission_free(s);
}
