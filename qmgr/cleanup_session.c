/* SPDX-License-Identifier: ISC */
/*
 * cleanup_session.c - the server's end of ipc/submit.h
 *
 * Nothing exists before commit: whatever goes wrong, and when the client goes
 * away, the draft is removed.  After a refusal only abort is left.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "cleanup.h"
#include "config/site.h"
#include "ipc/peer.h"

enum stage { IDLE, OPEN, HAVE_FILE, PREPARED, FAILED };
enum { RCPTS_MAX = 500000, EDITS_MAX = 8 << 20 };

struct session {
	struct message m;
};

static void
message_start(struct message *m)
{
	*m = (struct message){.arena = arena_new(), .seen = strmap_new()};
}

static void
message_end(struct message *m)
{
	if (!m->arena)
		return;
	queue_draft_abandon(m->draft);
	arena_free(m->arena);
	strmap_free(m->seen, NULL);
	free(m->rcpts);
	free(m->header.at);
	free(m->body.at);
	text_free(&m->head);
	text_free(&m->edits);
	*m = (struct message){.arena = NULL};
}

int
message_refuse(struct message *m, const char *status, struct fault *why, const char *format, ...)
{
	autotext struct text reason = {0};
	va_list              args;

	snprintf(m->status, sizeof m->status, "%s", status);
	if (format) {
		va_start(args, format);
		text_add_args(&reason, format, args);
		va_end(args);
		fault_set(why, status[0] == '5' ? FAULT_DENIED : FAULT_SYSTEM, "%s",
		          text_string(&reason));
	}
	return -1;
}

/* A fault of our own is logged here; the client hears no detail. */
static int
refuse(struct session *s, struct frame *answer, const struct fault *why)
{
	struct message *m = &s->m;

	if (m->status[0] && (m->status[0] == '5' || why->class != FAULT_INPUT)) {
		if (m->status[0] == '4')
			log_warning("%s: %s", m->id.text, fault_text(why));
		submit_refuse(answer, m->status, "%s", fault_text(why));
	} else {
		log_warning("%s: %s", m->id.text[0] ? m->id.text : "NOQUEUE", fault_text(why));
		if (why->class == FAULT_SYSTEM && (why->error == ENOSPC || why->error == EDQUOT))
			submit_refuse(answer, "4.3.1", "Insufficient system storage");
		else
			submit_refuse(answer, "4.3.0", "queue file write error");
	}
	queue_draft_abandon(m->draft);
	m->draft = NULL;
	return FAILED;
}

static int
check_space(struct session *s, struct fault *why)
{
	int64_t free_bytes, need = cleanup_config.queue_minfree;

	if (site.message_size_limit > 0 && need < site.message_size_limit * 3 / 2)
		need = site.message_size_limit * 3 / 2;
	if (queue_free_space(cleanup_queue, &free_bytes, why) < 0)
		return message_refuse(&s->m, "4.3.0", why, NULL);
	if (free_bytes < need)
		return message_refuse(&s->m, "4.3.1", why, "Insufficient system storage");
	return 0;
}

/* pickup's: maildrop names what is in it, and a message of that name exists once. */
static int
claim(struct session *s, struct frame *answer, struct fault *why)
{
	struct span id = s->m.origin.queue_id;
	int         got;

	if (!queue_id_valid(id) || strcmp(s->m.origin.origin, "pickup") != 0)
		return fault_set(why, FAULT_INPUT, "no queue id to wish for");
	memcpy(s->m.id.text, id.at, id.len);
	s->m.id.text[id.len] = '\0';
	got = check_space(s, why) < 0 ? -1 : queue_draft_claim(cleanup_queue, &s->m.id, &s->m.draft, why);
	if (got < 0 && (!why || why->class != FAULT_TIME))
		return refuse(s, answer, why);
	frame_start(answer, "opened");
	frame_put_string(answer, "queue_id", s->m.id.text);
	if (got)
		frame_put_flag(answer, got < 0 ? "held" : "already", true);
	fault_clear(why);
	return got ? FAILED : OPEN;
}

static int
do_open(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	struct session      *s = conversation;
	struct submit_origin o;
	struct span         *spans[] = {&o.client_name, &o.client_address, &o.client_port, &o.helo,
	                                &o.protocol, &o.sasl_method, &o.sasl_user, &o.queue_id};

	if (submit_decode_open(f, &o, why) < 0)
		return -1;
	message_start(&s->m);
	for (size_t i = 0; i < COUNT(spans); i++)
		*spans[i] = arena_span(s->m.arena, *spans[i]);
	s->m.origin = o;
	s->m.hold = o.hold;
	if (s->m.origin.queue_id.len)
		return claim(s, answer, why);
	if (check_space(s, why) < 0 || queue_new_id(cleanup_queue, clock_wall(), &s->m.id, why) < 0)
		return refuse(s, answer, why);
	frame_start(answer, "opened");
	frame_put_string(answer, "queue_id", s->m.id.text);
	return OPEN;
}

static int
do_content(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	struct session *s = conversation;

	(void)f;
	if (!s->m.draft && queue_draft_open(cleanup_queue, &s->m.id, &s->m.draft, why) < 0)
		return refuse(s, answer, why);
	s->m.has_file = true;
	frame_start(answer, "content");
	frame_put_number(answer, "at", QUEUE_CONTENT_AT);
	frame_put_fd(answer, "file", queue_draft_fd(s->m.draft));
	return HAVE_FILE;
}

void
message_add_rcpt(struct message *m, const struct queue_rcpt *r)
{
	if (m->n_rcpts == m->rcpts_room) {
		m->rcpts_room = m->rcpts_room ? m->rcpts_room * 2 : 8;
		m->rcpts = mem_grow(m->rcpts, m->rcpts_room, sizeof *m->rcpts);
	}
	m->rcpts[m->n_rcpts++] = (struct queue_rcpt){
		.address = arena_span(m->arena, r->address),
		.original = arena_span(m->arena, r->original),
		.orcpt = arena_span(m->arena, r->orcpt),
		.notify = r->notify,
	};
}

static int
do_rcpt(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	struct session    *s = conversation;
	struct submit_rcpt r;

	(void)answer;
	if (submit_decode_rcpt(f, &r, why) < 0)
		return -1;
	if (s->m.n_rcpts == RCPTS_MAX || r.address.len > QUEUE_ADDRESS_MAX ||
	    r.original.len > QUEUE_ADDRESS_MAX || r.orcpt.len > QUEUE_ADDRESS_MAX ||
	    span_has(r.address, '\0'))
		return fault_set(why, FAULT_INPUT, "recipients beyond all bounds");
	message_add_rcpt(&s->m,
	                 &(struct queue_rcpt){.address = r.address,
	                                      .original = r.original.len ? r.original : r.address,
	                                      .orcpt = r.orcpt,
	                                      .notify = (int)r.notify});
	return s->m.has_file ? HAVE_FILE : OPEN;
}

static void
copy_envelope(struct message *m, const struct submit_envelope *e)
{
	struct span *spans[] = {&m->envelope.sender,   &m->envelope.envid, &m->envelope.ret,
	                        &m->envelope.body,     &m->envelope.auth,  &m->envelope.filter,
	                        &m->envelope.redirect, &m->envelope.verp,  &m->envelope.full_name};

	m->envelope = *e;
	for (size_t i = 0; i < COUNT(spans); i++)
		*spans[i] = arena_span(m->arena, *spans[i]);
	m->filter = m->envelope.filter;
	m->redirect = m->envelope.redirect;
}

static int
prepare(struct message *m, const struct submit_envelope *e, struct fault *why)
{
	copy_envelope(m, e);
	if (site.message_size_limit > 0 && e->length > site.message_size_limit)
		return message_refuse(m, "5.3.4", why, "message file too big");
	if (message_check_characters(m, &m->envelope.length, why) < 0)
		return -1;
	if (queue_draft_content(m->draft, m->envelope.length, why) < 0)
		return -1;
	if (message_check_mime(m, why) < 0)
		return -1;
	if (message_read_header(m, why) < 0)
		return -1;
	if (!m->origin.no_header_body_checks && message_check(m, why) < 0)
		return -1;
	if (m->discard)
		return 0;
	if (message_resolve_sender(m, why) < 0 || message_complete_header(m, why) < 0)
		return -1;
	return message_resolve(m, why);
}

static int
do_edit(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	struct session *s = conversation;
	struct span     edits;

	(void)answer;
	if (!frame_get(f, "edits", &edits) || edits.len > EDITS_MAX - s->m.edits.len)
		return fault_set(why, FAULT_INPUT, "malformed edits");
	text_add(&s->m.edits, edits);
	return PREPARED;
}

static int
write_envelope(struct message *m, struct message_content *c, struct fault *why)
{
	struct queue_envelope e = {
	        .sender = m->envelope.sender,
	        .envid = m->envelope.envid,
	        .ret = m->envelope.ret,
	        .body = m->envelope.body,
	        .auth = m->envelope.auth,
	        .filter = m->filter,
	        .verp = m->envelope.verp,
	        .client_name = m->origin.client_name,
	        .client_address = m->origin.client_address,
	        .client_port = m->origin.client_port,
	        .helo = m->origin.helo,
	        .protocol = m->origin.protocol,
	        .sasl_method = m->origin.sasl_method,
	        .sasl_user = m->origin.sasl_user,
	        .origin = span_of(m->origin.origin),
	        .arrival_us = m->envelope.arrival_us ? m->envelope.arrival_us : clock_wall(),
	        .smtputf8 = message_needs_utf8(m),
	        .verify_only = m->envelope.verify_only,
	        .trace = m->envelope.trace,
	        .content = *c,
	};

	if (queue_draft_envelope(m->draft, &e, why) < 0)
		return -1;
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (queue_draft_rcpt(m->draft, &m->rcpts[i], why) < 0)
			return -1;
	return 0;
}

static int
commit(struct message *m, struct fault *why)
{
	struct message_content c = {0};
	struct queue_draft    *d;
	int                    done;

	if (message_apply_edits(m, why) < 0)
		return -1;
	if (m->discard || m->n_rcpts == 0) {
		log_info("%s: discarded", m->id.text);
		queue_draft_abandon(take(m->draft));
		return 0;
	}
	if (message_pieces(m, &c, why) < 0)
		return -1;
	done = write_envelope(m, &c, why);
	message_content_free(&c);
	if (done < 0)
		return -1;
	d = take(m->draft); /* commit ends it in any case */
	if (queue_draft_commit(d, m->hold ? QUEUE_HOLD : QUEUE_INCOMING, why) < 0)
		return -1;
	(void)fault_point("cleanup.committed", NULL);
	return 0;
}

static int
finish(struct session *s, struct frame *answer, struct fault *why)
{
	s->m.status[0] = '\0';
	if (commit(&s->m, why) < 0)
		return refuse(s, answer, why);
	cleanup_notice(s->m.id.text);
	frame_start(answer, "committed");
	message_end(&s->m);
	return IDLE;
}

static int
do_prepare(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	struct session        *s = conversation;
	struct submit_envelope e;
	struct message_content c = {0};
	autotext struct text   pieces = {0};

	if (submit_decode_prepare(f, &e, why) < 0)
		return -1;
	if (prepare(&s->m, &e, why) < 0)
		return refuse(s, answer, why);
	if (e.commit)
		return finish(s, answer, why);
	if (message_pieces(&s->m, &c, why) < 0)
		return refuse(s, answer, why);
	message_pieces_print(&c, &pieces);
	frame_start(answer, "prepared");
	frame_put(answer, "pieces", text_span(&pieces));
	frame_put_number(answer, "size", c.size);
	frame_put_number(answer, "end", queue_draft_end(s->m.draft));
	message_content_free(&c);
	return PREPARED;
}

static int
do_commit(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	(void)f;
	return finish(conversation, answer, why);
}

static int
do_abort(void *conversation, struct frame *f, struct frame *answer, struct fault *why)
{
	struct session *s = conversation;

	(void)f;
	(void)why;
	message_end(&s->m);
	frame_start(answer, "aborted");
	return IDLE;
}

static const struct peer_verb verbs[] = {
	{"open",    IDLE,      IDLE,      do_open},
	{"content", OPEN,      OPEN,      do_content},
	{"rcpt",    OPEN,      HAVE_FILE, do_rcpt},
	{"prepare", HAVE_FILE, HAVE_FILE, do_prepare},
	{"edit",    PREPARED,  PREPARED,  do_edit},
	{"commit",  PREPARED,  PREPARED,  do_commit},
	{"abort",   OPEN,      FAILED,    do_abort},
	{NULL,      0,         0,         NULL},
};

void
cleanup_session(int sock)
{
	struct session *s = mem_alloc(sizeof *s);

	peer_serve(sock, verbs, s);
	message_end(&s->m);
	free(s);
	close(sock);
}
