/* SPDX-License-Identifier: ISC */
/*
 * ask_verify.c - both ends of the conversation with verify
 */
#include "ipc/ask_verify.h"

#include "base/clock.h"
#include "ipc/peer.h"

/* An answer waits for nothing but a local file. */
enum { ASK_MS = 10000 };

static const char *const state_names[] = {"ok", "defer", "bounce", "unknown"};

const char *
verify_state_name(enum verify_state state)
{
	return state_names[state];
}

bool
verify_state_find(struct span name, enum verify_state *out)
{
	for (size_t i = 0; i < COUNT(state_names); i++)
		if (span_is(name, state_names[i])) {
			*out = (enum verify_state)i;
			return true;
		}
	return false;
}

static int
strange(struct fault *why)
{
	return fault_set(why, FAULT_PEER, "verify: unexpected answer");
}

int
ask_verify(struct span address, enum verify_state *state, struct text *text, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            name, words;
	enum verify_state      got;

	frame_start(&f, "query");
	frame_put(&f, "address", address);
	if (peer_call("verify", &f, clock_after(ASK_MS), why) < 0)
		return -1;
	if (!frame_is(&f, "verified") || !frame_get(&f, "state", &name) || !frame_get(&f, "text", &words) ||
	    !verify_state_find(name, &got))
		return strange(why);
	*state = got;
	text_set(text, words);
	return 0;
}

int
ask_verify_update(struct span address, enum verify_state state, struct span text, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "update");
	frame_put(&f, "address", address);
	frame_put_string(&f, "state", verify_state_name(state));
	frame_put(&f, "text", span_first(text, 1000));
	if (peer_call("verify", &f, clock_after(ASK_MS), why) < 0)
		return -1;
	return frame_is(&f, "noted") ? 0 : strange(why);
}

int
ask_recall(struct span client, struct text *value, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            got;

	frame_start(&f, "recall");
	frame_put(&f, "client", client);
	if (peer_call("verify", &f, clock_after(ASK_MS), why) < 0)
		return -1;
	if (frame_is(&f, "missing"))
		return 1;
	if (!frame_is(&f, "found") || !frame_get(&f, "value", &got))
		return strange(why);
	text_set(value, got);
	return 0;
}

int
ask_remember(struct span client, struct span value, struct fault *why)
{
	autoframe struct frame f = {0};

	frame_start(&f, "remember");
	frame_put(&f, "client", client);
	frame_put(&f, "value", value);
	if (peer_call("verify", &f, clock_after(ASK_MS), why) < 0)
		return -1;
	return frame_is(&f, "noted") ? 0 : strange(why);
}

/* ---- the server's end ---- */

struct question {
	struct span address, state, text, client, value;
};

static const struct field address_fields[] = {
	FIELD_TEXT(struct question, address, "address", FIELD_NEEDED), FIELD_TEXT(struct question, state, "state", 0),
	FIELD_TEXT(struct question, text, "text", 0), FIELD_END
};
static const struct field client_fields[] = {
	FIELD_TEXT(struct question, client, "client", FIELD_NEEDED), FIELD_TEXT(struct question, value, "value", 0), FIELD_END
};

static int
do_query(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct verify_server *s = conversation;
	struct question             q = {0};
	enum verify_state           state = VERIFY_UNKNOWN;
	autotext struct text        text = {0};
	struct fault                failed = {0};

	if (frame_decode(request, address_fields, &q, why) < 0)
		return -1;
	if (s->query(s->context, q.address, &state, &text, &failed) < 0) {
		peer_refuse(answer, "%s", fault_text(&failed));
		return 0;
	}
	frame_start(answer, "verified");
	frame_put_string(answer, "state", verify_state_name(state));
	frame_put(answer, "text", text_span(&text));
	return 0;
}

static void
note(struct frame *answer, int done, const struct fault *failed)
{
	if (done < 0)
		peer_refuse(answer, "%s", fault_text(failed));
	else
		frame_start(answer, "noted");
}

static int
do_update(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct verify_server *s = conversation;
	struct question             q = {.state = SPAN_NONE, .text = SPAN_NONE};
	enum verify_state           state;
	struct fault                failed = {0};

	if (frame_decode(request, address_fields, &q, why) < 0)
		return -1;
	if (!verify_state_find(q.state, &state))
		return fault_set(why, FAULT_INPUT, "no such state");
	note(answer, s->update(s->context, q.address, state, q.text, &failed), &failed);
	return 0;
}

static int
do_recall(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct verify_server *s = conversation;
	struct question             q = {0};
	autotext struct text        value = {0};
	struct fault                failed = {0};
	int                         got;

	if (frame_decode(request, client_fields, &q, why) < 0)
		return -1;
	got = s->recall(s->context, q.client, &value, &failed);
	if (got < 0) {
		peer_refuse(answer, "%s", fault_text(&failed));
		return 0;
	}
	frame_start(answer, got == 0 ? "found" : "missing");
	if (got == 0)
		frame_put(answer, "value", text_span(&value));
	return 0;
}

static int
do_remember(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct verify_server *s = conversation;
	struct question             q = {.value = SPAN_NONE};
	struct fault                failed = {0};

	if (frame_decode(request, client_fields, &q, why) < 0)
		return -1;
	note(answer, s->remember(s->context, q.client, q.value, &failed), &failed);
	return 0;
}

void
verify_serve(int sock, const struct verify_server *server)
{
	static const struct peer_verb verbs[] = {
		{"query", 0, 0, do_query},
		{"update", 0, 0, do_update},
		{"recall", 0, 0, do_recall},
		{"remember", 0, 0, do_remember},
		{NULL, 0, 0, NULL}
	};

	peer_serve(sock, verbs, (void *)(uintptr_t)server);
}
