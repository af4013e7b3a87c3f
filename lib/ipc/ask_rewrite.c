/* SPDX-License-Identifier: ISC */
/*
 * ask_rewrite.c - both ends of the conversation with rewrite
 *
 * The asker cuts a long list into frames of at most BATCH addresses and
 * BATCH_BYTES bytes, so that the answer fits into one frame too.  The
 * answerer's side turns frames into calls of a table of functions, so that
 * lib/ipc knows nothing of tables.
 */
#include "ipc/ask_rewrite.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "ipc/ask_rewrite_server.h"
#include "ipc/memo.h"
#include "ipc/peer.h"

enum { ASK_MS = 100000, BATCH = 100, BATCH_BYTES = 8192, EXPANDED_MAX = 10000 };

/* What rewrite refuses is a table that it could not ask: not now, never "never". */
static int
call(struct frame *f, const char *answer, struct fault *why)
{
	struct fault own = {0};

	if (!why)
		why = &own;
	if (memo_call("rewrite", answer, f, clock_after(ASK_MS), why) < 0) {
		if (why->class == FAULT_DENIED) {
			why->class = FAULT_SYSTEM;
			why->error = EAGAIN;
		}
		return -1;
	}
	if (!frame_is(f, answer))
		return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
	return 0;
}

/* Puts addresses from in[*at] on while there is room. */
static size_t
put_batch(struct frame *f, const struct span *in, size_t count)
{
	size_t n = 0, bytes = 0;

	while (n < count && n < BATCH && (n == 0 || bytes + in[n].len <= BATCH_BYTES)) {
		frame_put(f, "address", in[n]);
		bytes += in[n++].len;
	}
	return n;
}

/* Takes exactly `count` fields "address". */
static int
take_addresses(const struct frame *f, size_t count, struct arena *arena, struct span *out,
	struct fault *why)
{
	struct span name, value;
	size_t      at = 0, n = 0;

	while (frame_next(f, &at, &name, &value)) {
		if (!span_is(name, "address") || n >= count)
			return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
		out[n++] = arena_span(arena, value);
	}
	return n == count ? 0 : fault_set(why, FAULT_PEER, "rewrite: answer too short");
}

/* Verbs that give one address for each. */
static int
ask_each(const char *verb, const char *field, const char *value, const char *answer,
	const struct span *in, size_t count, struct arena *arena, struct span *out,
	struct fault *why)
{
	while (count) {
		autoframe struct frame f = {0};
		size_t                 n;

		frame_start(&f, verb);
		frame_put_string(&f, field, value);
		n = put_batch(&f, in, count);
		if (call(&f, answer, why) < 0 || take_addresses(&f, n, arena, out, why) < 0)
			return -1;
		in += n;
		out += n;
		count -= n;
	}
	return 0;
}

int
ask_rewrite(const char *context, const struct span *in, size_t count, struct arena *arena,
	struct span *out, struct fault *why)
{
	return ask_each("rewrite", "context", context, "rewritten", in, count, arena, out, why);
}

int
ask_map(const char *kind, const struct span *in, size_t count, struct arena *arena,
	struct span *out, struct fault *why)
{
	return ask_each("map", "kind", kind, "mapped", in, count, arena, out, why);
}

static int
take_routes(const struct frame *f, size_t count, struct arena *arena, struct route *out,
	struct fault *why)
{
	struct span   name, value;
	size_t        at = 0, n = 0;
	struct route *r = NULL;
	uint64_t      number;

	while (frame_next(f, &at, &name, &value)) {
		if (span_is(name, "transport")) {
			if (n >= count)
				return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
			r = &out[n++];
			*r = (struct route){.transport = arena_span(arena, value)};
		} else if (!r) {
			return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
		} else if (span_is(name, "nexthop")) {
			r->nexthop = arena_span(arena, value);
		} else if (span_is(name, "recipient")) {
			r->recipient = arena_span(arena, value);
		} else if (span_is(name, "class") && span_number(value, &number) &&
			number <= ROUTE_ERROR) {
			r->class = (enum route_class)number;
		} else if (span_is(name, "error")) {
			r->is_error = true;
			snprintf(r->dsn, sizeof r->dsn, "%.*s", SPAN_ARGS(value));
		} else {
			return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
		}
	}
	return n == count ? 0 : fault_set(why, FAULT_PEER, "rewrite: answer too short");
}

static int
resolve_by(const char *verb, struct span sender, const struct span *in, size_t count, struct arena *arena,
	struct route *out, struct fault *why)
{
	while (count) {
		autoframe struct frame f = {0};
		size_t                 n;

		frame_start(&f, verb);
		frame_put(&f, "sender", sender);
		n = put_batch(&f, in, count);
		if (call(&f, "resolved", why) < 0 || take_routes(&f, n, arena, out, why) < 0)
			return -1;
		in += n;
		out += n;
		count -= n;
	}
	return 0;
}

int
ask_resolve(struct span sender, const struct span *in, size_t count, struct arena *arena,
	struct route *out, struct fault *why)
{
	return resolve_by("resolve", sender, in, count, arena, out, why);
}

int
ask_resolve_probe(struct span sender, const struct span *in, size_t count, struct arena *arena,
	struct route *out, struct fault *why)
{
	return resolve_by("resolve_probe", sender, in, count, arena, out, why);
}

int
ask_expand(struct span address, struct arena *arena, struct span **out, size_t *count,
	struct fault *why)
{
	struct span *all = NULL, name, value;
	size_t       n = 0;
	int64_t      total = 0;

	do {
		autoframe struct frame f = {0};
		size_t                 at = 0, before = n;

		frame_start(&f, "expand");
		frame_put(&f, "address", address);
		frame_put_number(&f, "from", (int64_t)n);
		if (call(&f, "expanded", why) < 0) {
			if (why && frame_get_flag(&f, "never"))
				why->class = FAULT_INPUT;
			return -1;
		}
		if (!frame_get_number(&f, "total", &total) || total < 0 || total > EXPANDED_MAX)
			return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
		if (!all)
			all = arena_alloc(arena, ((size_t)total + 1) * sizeof *all);
		while (frame_next(&f, &at, &name, &value))
			if (span_is(name, "address") && n < (size_t)total)
				all[n++] = arena_span(arena, value);
		if (n == before && n < (size_t)total)
			return fault_set(why, FAULT_PEER, "rewrite: answer too short");
	} while (n < (size_t)total);
	*out = all;
	*count = n;
	return 0;
}

int
ask_known(struct span sender, struct span address, struct route_known *out, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            table = SPAN_NONE, dsn = SPAN_NONE, text = SPAN_NONE;
	int64_t                code = 0;

	frame_start(&f, "known");
	frame_put(&f, "sender", sender);
	frame_put(&f, "address", address);
	if (call(&f, "known", why) < 0)
		return -1;
	if (!frame_get(&f, "table", &table) || !frame_get(&f, "dsn", &dsn) ||
		!frame_get_number(&f, "code", &code))
		return fault_set(why, FAULT_PEER, "rewrite: unexpected answer");
	*out = (struct route_known){.known = frame_get_flag(&f, "known"), .code = (int)code};
	snprintf(out->table, sizeof out->table, "%.*s", SPAN_ARGS(table));
	snprintf(out->dsn, sizeof out->dsn, "%.*s", SPAN_ARGS(dsn));
	if (frame_get(&f, "text", &text))
		snprintf(out->text, sizeof out->text, "%.*s", SPAN_ARGS(text));
	return 0;
}

/* The answerer's side. Every verb is a whole request: one state. */

/* All "address" fields of a request, borrowed from it; at most BATCH. */
static int
read_request(struct frame *request, const char *first, struct span *value, struct span *addresses,
             size_t *count, struct fault *why)
{
	struct span name, v;
	size_t      at = 0;
	bool        seen = false;

	*count = 0;
	while (frame_next(request, &at, &name, &v)) {
		if (span_is(name, first) && !seen) {
			*value = v;
			seen = true;
		} else if (span_is(name, "address") && *count < BATCH) {
			addresses[(*count)++] = v;
		} else {
			return fault_set(why, FAULT_INPUT, "unexpected field %.*s",
				(int)(name.len < 40 ? name.len : 40), name.at);
		}
	}
	return seen ? 0 : fault_set(why, FAULT_INPUT, "field %s is missing", first);
}

static int
refuse(struct frame *answer, const struct fault *why)
{
	peer_refuse(answer, "%s", fault_text(why));
	return 0;
}

static int
answer_rewrite(void *context, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct rewrite_server *s = context;
	autoarena struct arena      *arena = arena_new();
	struct span                  where, in[BATCH], out;
	size_t                       count;

	if (read_request(request, "context", &where, in, &count, why) < 0)
		return -1;
	if (!span_is(where, "local") && !span_is(where, "remote"))
		return fault_set(why, FAULT_INPUT, "unknown context");
	frame_start(answer, "rewritten");
	for (size_t i = 0; i < count; i++) {
		s->rewrite(s->context, span_is(where, "local"), in[i], arena, &out);
		frame_put(answer, "address", out);
	}
	return 0;
}

static int
answer_map(void *context, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct rewrite_server *s = context;
	autoarena struct arena      *arena = arena_new();
	struct span                  kind, in[BATCH], out;
	size_t                       count;
	struct fault                 fault = {0};

	if (read_request(request, "kind", &kind, in, &count, why) < 0)
		return -1;
	frame_start(answer, "mapped");
	for (size_t i = 0; i < count; i++) {
		if (s->map(s->context, kind, in[i], arena, &out, &fault) < 0)
			return refuse(answer, &fault);
		frame_put(answer, "address", out);
	}
	if (answer->bytes.len > FRAME_MAX)
		peer_refuse(answer, "mapped addresses are too long");
	return 0;
}

static int
answer_resolve(void *context, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct rewrite_server *s = context;
	autoarena struct arena      *arena = arena_new();
	struct span                  sender, in[BATCH];
	struct fault                 fault = {0};
	size_t                       count;

	if (read_request(request, "sender", &sender, in, &count, why) < 0)
		return -1;
	frame_start(answer, "resolved");
	for (size_t i = 0; i < count; i++) {
		struct route r = {0};

		if ((frame_is(request, "resolve_probe") ? s->resolve_probe : s->resolve)(s->context, sender, in[i], arena,
			&r, &fault) < 0)
			return refuse(answer, &fault);
		frame_put(answer, "transport", r.transport);
		frame_put(answer, "nexthop", r.nexthop);
		frame_put(answer, "recipient", r.recipient);
		frame_put_number(answer, "class", r.class);
		if (r.is_error)
			frame_put_string(answer, "error", r.dsn);
	}
	if (answer->bytes.len > FRAME_MAX)
		peer_refuse(answer, "resolved addresses are too long");
	return 0;
}

struct expand_request { struct span address; int64_t from; };
static const struct field expand_fields[] = {
	FIELD_TEXT(struct expand_request, address, "address", FIELD_NEEDED),
	FIELD_NUMBER(struct expand_request, from, "from", FIELD_NEEDED),
	FIELD_END
};

static int
answer_expand(void *context, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct rewrite_server *s = context;
	autoarena struct arena      *arena = arena_new();
	struct expand_request        ask = {0};
	struct span                 *all;
	size_t                       count;
	struct fault                 fault = {0};

	if (frame_decode(request, expand_fields, &ask, why) < 0)
		return -1;
	if (ask.from < 0)
		return fault_set(why, FAULT_INPUT, "field from is malformed");
	if (s->expand(s->context, ask.address, arena, &all, &count, &fault) < 0) {
		refuse(answer, &fault);
		frame_put_flag(answer, "never", fault.class == FAULT_INPUT);
		return 0;
	}
	frame_start(answer, "expanded");
	frame_put_number(answer, "total", (int64_t)count);
	for (size_t i = (size_t)ask.from; i < count && frame_room(answer) > all[i].len + 64; i++)
		frame_put(answer, "address", all[i]);
	return 0;
}

struct known_request { struct span sender, address; };
static const struct field known_fields[] = {
	FIELD_TEXT(struct known_request, sender, "sender", FIELD_NEEDED),
	FIELD_TEXT(struct known_request, address, "address", FIELD_NEEDED),
	FIELD_END
};

static int
answer_known(void *context, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct rewrite_server *s = context;
	struct known_request         ask = {0};
	struct route_known           known = {0};
	struct fault                 fault = {0};

	if (frame_decode(request, known_fields, &ask, why) < 0)
		return -1;
	if (s->known(s->context, ask.sender, ask.address, &known, &fault) < 0)
		return refuse(answer, &fault);
	frame_start(answer, "known");
	frame_put_flag(answer, "known", known.known);
	frame_put_string(answer, "table", known.table);
	frame_put_string(answer, "dsn", known.dsn);
	frame_put_number(answer, "code", known.code);
	if (known.text[0])
		frame_put_string(answer, "text", known.text);
	return 0;
}

void
rewrite_serve(int sock, const struct rewrite_server *server)
{
	static const struct peer_verb verbs[] = {
		{"rewrite", 0, 0, answer_rewrite},
		{"resolve", 0, 0, answer_resolve},
		{"resolve_probe", 0, 0, answer_resolve},
		{"expand", 0, 0, answer_expand},
		{"map", 0, 0, answer_map},
		{"known", 0, 0, answer_known},
		{NULL, 0, 0, NULL}
	};

	peer_serve(sock, verbs, (void *)server);
}
