/* SPDX-License-Identifier: ISC */
/*
 * ask_table.c - "what does this table say?"
 */
#include "ipc/ask_table.h"

#include "base/clock.h"
#include "ipc/peer.h"

int
ask_table_find(const char *spec, struct span key, struct text *value, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            got = SPAN_NONE;

	frame_start(&f, "find");
	frame_put_string(&f, "table", spec);
	frame_put(&f, "key", key);
	if (peer_call("proxymap", &f, clock_after(ASK_TABLE_MS), why) < 0)
		return fault_prefix(why, "proxy:%s", spec);
	if (frame_is(&f, "missing"))
		return 1;
	if (frame_is(&f, "found") && frame_get(&f, "value", &got)) {
		text_set(value, got);
		return 0;
	}
	frame_get(&f, "reason", &got);
	if (frame_is(&f, "failed"))
		return fault_set(why, FAULT_TIME, "%.*s", SPAN_ARGS(span_first(got, 300)));      /* names the table */
	return fault_set(why, FAULT_PEER, "proxy:%s: proxymap said something else", spec);
}

struct ask {
	struct span table, key;
};

static const struct field fields[] = {
	FIELD_TEXT(struct ask, table, "table", FIELD_NEEDED),
	FIELD_TEXT(struct ask, key, "key", FIELD_NEEDED),
	FIELD_END
};

static int
do_find(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct table_answerer *a = conversation;
	autotext struct text         value = {0};
	struct fault                 failed = {0};
	struct ask                   ask = {0};
	int                          got;

	if (frame_decode(request, fields, &ask, why) < 0)
		return -1;
	got = a->find(a->context, ask.table, ask.key, &value, &failed);
	if (got < 0 && failed.class == FAULT_DENIED) {
		peer_refuse(answer, "%s", fault_text(&failed));
		return 0;
	}
	frame_start(answer, got < 0 ? "failed" : got == 0 ? "found" : "missing");
	if (got < 0)
		frame_put_string(answer, "reason", fault_text(&failed));
	else if (got == 0)
		frame_put(answer, "value", text_span(&value));
	if (answer->bytes.len > FRAME_MAX) {
		frame_start(answer, "failed");
		frame_put_string(answer, "reason", "the value is too long for a proxy");
	}
	return 0;
}

static const struct peer_verb verbs[] = {
	{"find", 0, 0, do_find},
	{NULL, 0, 0, NULL}
};

void
answer_table(int sock, const struct table_answerer *a)
{
	peer_serve(sock, verbs, (void *)(uintptr_t)a);
}
