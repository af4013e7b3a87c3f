/* SPDX-License-Identifier: ISC */
/*
 * queue_talk.c - what others tell and ask qmgr: both ends
 */
#include "ipc/queue_talk.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { CONNECT_MS = 2000, ANSWER_MS = 600 * 1000, REASON_MAX = 2000, RCPTS_A_FRAME = 32768 };

void
queue_notice(int sock, struct span queue_id)
{
	autotext struct text line = {0};

	text_add(&line, SPAN("new "));
	text_add(&line, queue_id);
	if (send(sock, line.at, line.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* qmgr looks into incoming/ by itself */
}

static int
connect_qmgr(const char *directory, int *sock, struct fault *why)
{
	autofree char *path = mem_format("%s/qmgr", directory);

	return peer_connect(path, clock_after(CONNECT_MS), sock, why);
}

static int
check_answer(int got, struct frame *f, struct fault *why)
{
	struct span reason = SPAN_NONE;

	if (got != 0)
		return got < 0 ? -1 : fault_set(why, FAULT_PEER, "qmgr closed the connection");
	if (!frame_is(f, "refused"))
		return 0;
	frame_get(f, "reason", &reason);
	return fault_set(why, FAULT_DENIED, "%.*s", SPAN_ARGS(reason));
}

static int
ask(const char *directory, struct frame *f, struct fault *why)
{
	autoclose int sock = -1;

	if (connect_qmgr(directory, &sock, why) < 0 ||
	    frame_send(sock, f, clock_after(CONNECT_MS), why) < 0 ||
	    check_answer(frame_receive(sock, f, clock_after(ANSWER_MS), why), f, why) < 0)
		return -1;
	return frame_is(f, "done") ? 0 : fault_set(why, FAULT_PEER, "unexpected answer of qmgr");
}

int
queue_flush(const char *directory, struct span queue_id, struct span site, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, queue_id.len ? "flush_one" : site.len ? "flush_site" : "flush");
	if (queue_id.len)
		frame_put(&f, "queue_id", queue_id);
	else if (site.len)
		frame_put(&f, "site", site);
	return ask(directory, &f, why);
}

int
queue_flush_site(struct span site, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "flush_site");
	frame_put(&f, "site", site);
	if (peer_call("qmgr", &f, clock_after(ANSWER_MS), why) < 0)
		return -1;
	return frame_is(&f, "done") ? 0 : fault_set(why, FAULT_PEER, "unexpected answer of qmgr");
}

int
queue_change(const char *directory, const char *what, struct span queue_id, struct span queue,
             int64_t *count, struct fault *why)
{
	autoframe struct frame f = {0};
	int64_t                n;

	frame_start(&f, "change");
	frame_put_string(&f, "what", what);
	frame_put(&f, "queue_id", queue_id);
	if (queue.len)
		frame_put(&f, "queue", queue);
	if (ask(directory, &f, why) < 0)
		return -1;
	if (!frame_get_number(&f, "count", &n))
		return fault_set(why, FAULT_PEER, "unexpected answer of qmgr");
	*count = n;
	return 0;
}

/* ---- the list, read ---- */

static const struct field message_fields[] = {
	FIELD_TEXT(struct queue_listed, queue, "queue", FIELD_NEEDED),
	FIELD_TEXT(struct queue_listed, queue_id, "queue_id", FIELD_NEEDED),
	FIELD_TEXT(struct queue_listed, sender, "sender", FIELD_NEEDED),
	FIELD_NUMBER(struct queue_listed, arrival_us, "arrival_us", FIELD_NEEDED),
	FIELD_NUMBER(struct queue_listed, size, "size", FIELD_NEEDED),
	FIELD_FLAG(struct queue_listed, expired, "expired", 0),
	FIELD_END
};

static int
read_rcpts(const struct frame *f, const struct queue_list_reader *r, struct fault *why)
{
	struct queue_listed_rcpt one = {SPAN_NONE, SPAN_NONE};
	struct span              name, value;
	size_t                   at = 0;
	bool                     have = false;

	while (frame_next(f, &at, &name, &value)) {
		if (span_is(name, "reason")) {
			one.reason = value;
			continue;
		}
		if (!span_is(name, "address"))
			return fault_set(why, FAULT_PEER, "unexpected answer of qmgr");
		if (have && r->rcpt(r->context, &one) != 0)
			return 1;
		one = (struct queue_listed_rcpt){value, SPAN_NONE};
		have = true;
	}
	return have ? r->rcpt(r->context, &one) != 0 : 0;
}

int
queue_list(const char *directory, const struct queue_list_reader *r, struct fault *why)
{
	autoframe struct frame f = {0};
	autoclose int          sock = -1;
	int                    over = 0;

	frame_start(&f, "list");
	if (connect_qmgr(directory, &sock, why) < 0 ||
	    frame_send(sock, &f, clock_after(CONNECT_MS), why) < 0)
		return -1;
	while (over == 0) {
		struct queue_listed m = {.queue = SPAN_NONE};

		if (check_answer(frame_receive(sock, &f, clock_after(ANSWER_MS), why), &f, why) < 0)
			return -1;
		if (frame_is(&f, "done"))
			return 0;
		if (frame_is(&f, "message"))
			over = frame_decode(&f, message_fields, &m, why) < 0
			               ? -1
			               : r->message(r->context, &m) != 0;
		else if (frame_is(&f, "rcpts"))
			over = read_rcpts(&f, r, why);
		else
			return fault_set(why, FAULT_PEER, "unexpected answer of qmgr");
	}
	return over < 0 ? -1 : 0;
}

/* ---- the server ---- */

int
queue_decode_change(struct frame *f, struct queue_change_request *out, struct fault *why)
{
	static const struct field fields[] = {
		FIELD_TEXT(struct queue_change_request, what, "what", FIELD_NEEDED),
		FIELD_TEXT(struct queue_change_request, queue_id, "queue_id", FIELD_NEEDED),
		FIELD_TEXT(struct queue_change_request, queue, "queue", 0),
		FIELD_END
	};
	static const char *const  whats[] = {"delete", "hold", "release", "requeue", "expire"};
	struct queue_change_request r = {SPAN_NONE, SPAN_NONE, SPAN_NONE};

	if (frame_decode(f, fields, &r, why) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(whats); i++)
		if (span_is(r.what, whats[i])) {
			*out = r;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "unknown change");
}

int
queue_decode_flush(struct frame *f, struct span *queue_id, struct span *site, struct fault *why)
{
	struct request { struct span queue_id, site; } r = {SPAN_NONE, SPAN_NONE};
	static const struct field fields[] = {
		FIELD_TEXT(struct request, queue_id, "queue_id", 0),
		FIELD_TEXT(struct request, site, "site", 0),
		FIELD_END
	};

	if (frame_decode(f, fields, &r, why) < 0)
		return -1;
	*queue_id = r.queue_id;
	*site = r.site;
	return 0;
}

void
queue_answer_done(struct frame *answer, int64_t count)
{
	frame_start(answer, "done");
	frame_put_number(answer, "count", count);
}

static int
flush_rcpts(struct queue_list_writer *w, struct fault *why)
{
	int sent = 0;

	if (w->rcpts.bytes.len)
		sent = frame_send(w->sock, &w->rcpts, clock_after(ANSWER_MS), why);
	frame_clear(&w->rcpts);
	return sent;
}

int
queue_list_write_message(struct queue_list_writer *w, const struct queue_listed *m,
                         struct fault *why)
{
	autoframe struct frame f = {0};

	if (flush_rcpts(w, why) < 0)
		return -1;
	frame_start(&f, "message");
	frame_put(&f, "queue", m->queue);
	frame_put(&f, "queue_id", m->queue_id);
	frame_put(&f, "sender", m->sender);
	frame_put_number(&f, "arrival_us", m->arrival_us);
	frame_put_number(&f, "size", m->size);
	if (m->expired)
		frame_put_flag(&f, "expired", true);
	w->count++;
	return frame_send(w->sock, &f, clock_after(ANSWER_MS), why);
}

int
queue_list_write_rcpt(struct queue_list_writer *w, const struct queue_listed_rcpt *r,
                      struct fault *why)
{
	if (w->rcpts.bytes.len > RCPTS_A_FRAME && flush_rcpts(w, why) < 0)
		return -1;
	if (w->rcpts.bytes.len == 0)
		frame_start(&w->rcpts, "rcpts");
	frame_put(&w->rcpts, "address", r->address);
	if (r->reason.len)
		frame_put(&w->rcpts, "reason", span_first(r->reason, REASON_MAX));
	return 0;
}

int
queue_list_write_done(struct queue_list_writer *w, struct fault *why)
{
	autoframe struct frame f = {0};

	if (flush_rcpts(w, why) < 0)
		return -1;
	queue_answer_done(&f, w->count);
	return frame_send(w->sock, &f, clock_after(ANSWER_MS), why);
}
