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

static const char *const kinds[] = {[IDENTITY_PASSDB] = "passdb", [IDENTITY_USERDB] = "userdb", [IDENTITY_LOGIN] = "login"};
static const char *const answers[] = {[IDENTITY_KNOWN] = "known", [IDENTITY_UNKNOWN] = "unknown", [IDENTITY_PROVED] = "proved",
                                      [IDENTITY_WRONG] = "wrong", [IDENTITY_WANTED] = "wanted"};

int
ask_table_identify(const char *database, const struct identity_question *q, struct text *fields, struct fault *why)
{
	autoframe struct frame f = {0};
	struct span            name, value, reason = SPAN_NONE;
	size_t                 at = 0;
	int                    got = 0;

	frame_start(&f, "identify");
	frame_put_string(&f, "database", database);
	frame_put_string(&f, "kind", kinds[q->kind]);
	frame_put(&f, "user", q->user);
	frame_put(&f, "service", q->service);
	frame_put(&f, "remote", q->remote);
	frame_put(&f, "local", q->local);
	if (q->password.len)
		frame_put(&f, "password", q->password);
	if (peer_call("proxymap", &f, clock_after(ASK_TABLE_MS), why) < 0)
		return fault_prefix(why, "%s", database);
	while (got < (int)COUNT(answers) && !frame_is(&f, answers[got]))
		got++;
	frame_get(&f, "reason", &reason);
	if (got == COUNT(answers))
		return fault_set(why, FAULT_TIME, "%.*s", SPAN_ARGS(span_first(reason, 300)));
	while (frame_next(&f, &at, &name, &value)) {
		text_add(fields, value);
		text_add_byte(fields, '\0');
	}
	return got;
}

struct ask {
	struct span table, key;
};

static const struct field find_fields[] = {
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

	if (frame_decode(request, find_fields, &ask, why) < 0)
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

struct identify {
	struct span database, kind, user, service, remote, local, password;
};

static const struct field identify_fields[] = {
	FIELD_TEXT(struct identify, database, "database", FIELD_NEEDED), FIELD_TEXT(struct identify, kind, "kind", FIELD_NEEDED),
	FIELD_TEXT(struct identify, user, "user", FIELD_NEEDED), FIELD_TEXT(struct identify, service, "service", FIELD_NEEDED),
	FIELD_TEXT(struct identify, remote, "remote", FIELD_NEEDED), FIELD_TEXT(struct identify, local, "local", FIELD_NEEDED),
	FIELD_TEXT(struct identify, password, "password", 0), FIELD_END
};

static void
put_fields(struct span fields, struct frame *answer)
{
	struct span one;

	while (fields.len && span_split(&fields, '\0', &one))
		frame_put(answer, "field", one);
}

static int
do_identify(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	const struct table_answerer *a = conversation;
	autotext struct text         fields = {0};
	struct fault                 failed = {0};
	struct identify              ask = {.password = SPAN_NONE};
	struct identity_question     q;
	int                          got;

	if (frame_decode(request, identify_fields, &ask, why) < 0)
		return -1;
	if (!a->identify)
		return fault_set(why, FAULT_DENIED, "only authd may ask who somebody is");
	q = (struct identity_question){IDENTITY_PASSDB, ask.user, ask.service, ask.remote, ask.local, ask.password};
	while (q.kind < COUNT(kinds) && !span_is(ask.kind, kinds[q.kind]))
		q.kind++;
	if (q.kind == COUNT(kinds))
		return fault_set(why, FAULT_INPUT, "no such kind");
	got = a->identify(a->context, ask.database, &q, &fields, &failed);
	frame_start(answer, got < 0 ? "failed" : answers[got]);
	if (got == IDENTITY_KNOWN || got == IDENTITY_PROVED)
		put_fields(text_span(&fields), answer);
	if (got < 0)
		frame_put_string(answer, "reason", fault_text(&failed));
	if (answer->bytes.len > FRAME_MAX) {
		frame_start(answer, "failed");
		frame_put_string(answer, "reason", "the answer is too long");
	}
	if (fields.at)
		mem_wipe(fields.at, fields.room);
	return 0;
}

static const struct peer_verb verbs[] = {
	{"find", 0, 0, do_find},
	{"identify", 0, 0, do_identify},
	{NULL, 0, 0, NULL}
};

void
answer_table(int sock, const struct table_answerer *a)
{
	peer_serve(sock, verbs, (void *)(uintptr_t)a);
}
