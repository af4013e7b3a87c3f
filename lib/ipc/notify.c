/* SPDX-License-Identifier: ISC */
/*
 * notify.c - both ends of "tell the sender"
 *
 * Recipients follow the head in rcpt frames, as runs of fields that begin
 * with an address; the frame with last=yes ends the request. When bounce dies
 * in the middle the whole is asked again: at worst the sender is told twice.
 */
#include "ipc/notify.h"

#include <stdio.h>

#include "base/clock.h"
#include "ipc/peer.h"

enum { RCPTS_MAX = 100000, REQUEST_MS = 100 * 1000, TEXT_MAX = 8000, TRIES = 3 };

struct head {
	struct notice n;
	int64_t       count;
};

static const struct field head_fields[] = {
	FIELD_TEXT(struct head, n.kind, "kind", FIELD_NEEDED),
	FIELD_TEXT(struct head, n.queue_id, "queue_id", FIELD_NEEDED),
	FIELD_TEXT(struct head, n.sender, "sender", FIELD_NEEDED),
	FIELD_TEXT(struct head, n.envid, "envid", 0),
	FIELD_TEXT(struct head, n.ret, "ret", 0),
	FIELD_TEXT(struct head, n.pieces, "pieces", FIELD_NEEDED),
	FIELD_NUMBER(struct head, n.arrival_us, "arrival_us", FIELD_NEEDED),
	FIELD_NUMBER(struct head, n.size, "size", FIELD_NEEDED),
	FIELD_NUMBER(struct head, n.expires_us, "expires_us", 0),
	FIELD_FLAG(struct head, n.smtputf8, "smtputf8", 0),
	FIELD_FD(struct head, n.content, "content", FIELD_NEEDED),
	FIELD_NUMBER(struct head, count, "count", FIELD_NEEDED),
	FIELD_END
};

/* Of a recipient, in the order in which they are sent. */
static const struct rcpt_field {
	const char *name;
	size_t      offset;
} rcpt_fields[] = {
	{"address", offsetof(struct notice_rcpt, address)},
	{"original", offsetof(struct notice_rcpt, original)},
	{"orcpt", offsetof(struct notice_rcpt, orcpt)},
	{"action", offsetof(struct notice_rcpt, action)},
	{"dsn", offsetof(struct notice_rcpt, dsn)},
	{"text", offsetof(struct notice_rcpt, text)},
	{"mta", offsetof(struct notice_rcpt, mta)},
	{"diagnostic", offsetof(struct notice_rcpt, diagnostic)},
};

static struct span *
rcpt_span(struct notice_rcpt *r, size_t i)
{
	return (struct span *)((char *)r + rcpt_fields[i].offset);
}

static size_t
rcpt_room(struct notice_rcpt *r)
{
	size_t room = 100;

	for (size_t i = 0; i < COUNT(rcpt_fields); i++)
		room += 24 + rcpt_span(r, i)->len;
	return room;
}

static void
put_rcpt(struct frame *f, struct notice_rcpt *r)
{
	for (size_t i = 0; i < COUNT(rcpt_fields); i++)
		if (i == 0 || rcpt_span(r, i)->len)
			frame_put(f, rcpt_fields[i].name, span_first(*rcpt_span(r, i), TEXT_MAX));
	if (r->notify)
		frame_put_number(f, "notify", r->notify);
}

static void
put_head(struct frame *f, const struct notice *n)
{
	frame_start(f, "notice");
	frame_put(f, "kind", n->kind);
	frame_put(f, "queue_id", n->queue_id);
	frame_put(f, "sender", n->sender);
	frame_put(f, "envid", n->envid);
	frame_put(f, "ret", n->ret);
	frame_put(f, "pieces", n->pieces);
	frame_put_number(f, "arrival_us", n->arrival_us);
	frame_put_number(f, "size", n->size);
	frame_put_number(f, "expires_us", n->expires_us);
	frame_put_flag(f, "smtputf8", n->smtputf8);
	frame_put_fd(f, "content", n->content);
	frame_put_number(f, "count", (int64_t)n->n_rcpts);
}

int
notify_send(int sock, const struct notice *n, int64_t deadline, struct fault *why)
{
	autoframe struct frame f = {0};

	put_head(&f, n);
	if (frame_send(sock, &f, deadline, why) < 0)
		return -1;
	frame_clear(&f);
	frame_start(&f, "rcpt");
	for (size_t i = 0; i < n->n_rcpts; i++) {
		if (frame_room(&f) < rcpt_room(&n->rcpts[i])) {
			if (frame_send(sock, &f, deadline, why) < 0)
				return -1;
			frame_clear(&f);
			frame_start(&f, "rcpt");
		}
		put_rcpt(&f, &n->rcpts[i]);
	}
	frame_put_flag(&f, "last", true);
	return frame_send(sock, &f, deadline, why);
}

static int
ask_once(int sock, const struct notice *n, int64_t deadline, char *queue_id, size_t size,
         struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            value = SPAN_NONE;
	int                    got;

	if (notify_send(sock, n, deadline, why) < 0)
		return -1;
	got = frame_receive(sock, &f, deadline, why);
	if (got != 0)
		return got == 1 ? fault_set(why, FAULT_PEER, "bounce went away") : -1;
	if (frame_is(&f, "refused")) {
		frame_get(&f, "reason", &value);
		return fault_set(why, FAULT_DENIED, "%.*s", SPAN_ARGS(value));
	}
	if (!frame_is(&f, "noticed") || !frame_get(&f, "queue_id", &value))
		return fault_set(why, FAULT_INPUT, "bounce answers out of turn");
	snprintf(queue_id, size, "%.*s", SPAN_ARGS(value));
	return 0;
}

int
notify_ask(const struct notice *n, int64_t deadline, char *queue_id, size_t size, struct fault *why)
{
	for (int tries = 1;; tries++) {
		autoclose int sock = -1;

		if (peer_take("bounce", deadline, &sock, why) < 0)
			return fault_prefix(why, "bounce");
		if (ask_once(sock, n, deadline, queue_id, size, why) == 0) {
			peer_give("bounce", take_fd(sock));
			return 0;
		}
		if (tries == TRIES || clock_left(deadline) == 0 ||
		    (why && why->class != FAULT_PEER && why->class != FAULT_SYSTEM))
			return -1;
	}
}

static int
take_rcpts(const struct frame *f, struct notice *n, size_t count, struct arena *arena,
           struct fault *why)
{
	struct notice_rcpt *r = NULL;
	struct span         name, value;

	for (size_t at = 0; frame_next(f, &at, &name, &value);) {
		size_t   i = 0;
		uint64_t number;

		if (span_is(name, "last"))
			continue;
		if (span_is(name, "address")) {
			if (n->n_rcpts == count)
				return fault_set(why, FAULT_INPUT,
				                 "notice: more recipients than told");
			r = &n->rcpts[n->n_rcpts++];
			for (size_t k = 0; k < COUNT(rcpt_fields); k++)
				*rcpt_span(r, k) = SPAN_NONE;
		}
		if (!r)
			return fault_set(why, FAULT_INPUT, "notice: a recipient without address");
		while (i < COUNT(rcpt_fields) && !span_is(name, rcpt_fields[i].name))
			i++;
		if (i < COUNT(rcpt_fields))
			*rcpt_span(r, i) = arena_span(arena, value);
		else if (span_is(name, "notify") && span_number(value, &number) && number < 64)
			r->notify = (int64_t)number;
		else
			return fault_set(why, FAULT_INPUT, "notice: a field that is not known");
	}
	return 0;
}

static int
take_head(struct frame *f, struct notice *n, size_t *count, struct arena *arena, struct fault *why)
{
	struct head h = {.n = {.content = -1, .envid = SPAN_NONE, .ret = SPAN_NONE}};

	if (!frame_is(f, "notice"))
		return fault_set(why, FAULT_INPUT, "notice: out of turn");
	if (frame_decode(f, head_fields, &h, why) < 0 || h.count < 1 || h.count > RCPTS_MAX) {
		auto_close(&h.n.content);
		return fault_set(why, FAULT_INPUT, "notice: malformed");
	}
	*n = h.n;
	n->kind = arena_span(arena, n->kind);
	n->queue_id = arena_span(arena, n->queue_id);
	n->sender = arena_span(arena, n->sender);
	n->envid = arena_span(arena, n->envid);
	n->ret = arena_span(arena, n->ret);
	n->pieces = arena_span(arena, n->pieces);
	*count = (size_t)h.count;
	n->rcpts = arena_alloc(arena, *count * sizeof *n->rcpts);
	return 0;
}

static int
receive_rcpts(int sock, struct frame *f, struct notice *n, size_t count, struct arena *arena,
              struct fault *why)
{
	int64_t deadline = clock_after(REQUEST_MS);

	do {
		int got;

		frame_clear(f);
		got = frame_receive(sock, f, deadline, why);
		if (got != 0)
			return got == 1 ? fault_set(why, FAULT_PEER, "notice: cut short") : -1;
		if (!frame_is(f, "rcpt"))
			return fault_set(why, FAULT_INPUT, "notice: out of turn");
		if (take_rcpts(f, n, count, arena, why) < 0)
			return -1;
	} while (!frame_get_flag(f, "last"));
	if (n->n_rcpts != count)
		return fault_set(why, FAULT_INPUT, "notice: fewer recipients than told");
	return 0;
}

int
notify_receive(int sock, struct frame *f, struct notice *into, struct arena *arena,
               struct fault *why)
{
	struct notice n = {.content = -1};
	size_t        count = 0;
	int           got;

	frame_clear(f);
	got = frame_receive(sock, f, CLOCK_NEVER, why);
	if (got != 0)
		return got;
	if (take_head(f, &n, &count, arena, why) < 0)
		return -1;
	if (receive_rcpts(sock, f, &n, count, arena, why) < 0) {
		auto_close(&n.content);
		return -1;
	}
	*into = n;
	return 0;
}

int
notify_done(int sock, const char *queue_id, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "noticed");
	frame_put_string(&f, "queue_id", queue_id);
	return frame_send(sock, &f, clock_after(REQUEST_MS), why);
}

int
notify_refuse(int sock, const char *reason, struct fault *why)
{
	autoframe struct frame f = {0};

	peer_refuse(&f, "%s", reason);
	return frame_send(sock, &f, clock_after(REQUEST_MS), why);
}
