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

static void
tell_names(struct span names, void (*each)(void *, struct span), void *context)
{
	struct span one;

	while (names.len && span_split(&names, '\0', &one))
		each(context, one);
}

int
ask_table_list(const char *database, void (*each)(void *, struct span), void *context, struct fault *why)
{
	autoclose int          sock = -1;
	autoframe struct frame f = {0}, answer = {0};
	struct span            got = SPAN_NONE;
	bool                   more = true;

	if (peer_take("proxymap", clock_after(ASK_TABLE_MS), &sock, why) < 0)
		return fault_prefix(why, "proxymap");
	frame_start(&f, "list");
	frame_put_string(&f, "database", database);
	while (more) {
		if (frame_send(sock, &f, clock_after(ASK_TABLE_MS), why) < 0)
			return fault_prefix(why, "proxymap");
		switch (frame_receive(sock, &answer, clock_after(ASK_TABLE_MS), why)) {
		case 0: break;
		case 1: return fault_set(why, FAULT_PEER, "%s: proxymap hung up", database);
		default: return fault_prefix(why, "proxymap");
		}
		if (!frame_is(&answer, "names") || !frame_get(&answer, "names", &got)) {
			frame_get(&answer, "reason", &got);
			return fault_set(why, FAULT_SYSTEM, "%.*s", SPAN_ARGS(span_first(got, 300)));
		}
		tell_names(got, each, context);
		more = frame_get_flag(&answer, "more");
		frame_start(&f, "more");
	}
	return 0;
}

/* ------------------------------------------------------------ the answers */

enum { AT_START, LISTING };
enum { NAMES_AT_ONCE = 60000 };

struct answering {
	const struct table_answerer *by;
	struct text                  names;       /* that are left to tell */
	size_t                       told;
};

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
	const struct table_answerer *a = ((struct answering *)conversation)->by;
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
	const struct table_answerer *a = ((struct answering *)conversation)->by;
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

static int
put_names(struct answering *t, struct frame *answer)
{
	struct span left = span_from(text_span(&t->names), t->told), now = span_first(left, NAMES_AT_ONCE);

	if (now.len < left.len)
		now = span_first(now, (size_t)(span_find_last(now, '\0') + 1));     /* whole ones */
	if (!now.len && left.len) {
		frame_start(answer, "failed");
		frame_put_string(answer, "reason", "a name is too long");
		return AT_START;
	}
	t->told += now.len;
	frame_start(answer, "names");
	frame_put(answer, "names", now);
	frame_put_flag(answer, "more", t->told < t->names.len);
	return t->told < t->names.len ? LISTING : AT_START;
}

static int
do_list(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	struct answering *t = conversation;
	struct span       database = SPAN_NONE;
	struct fault      failed = {0};

	if (!t->by->list)
		return fault_set(why, FAULT_DENIED, "only root and authd may ask who all users are");
	if (!frame_get(request, "database", &database))
		return fault_set(why, FAULT_INPUT, "list: no database");
	text_clear(&t->names);
	t->told = 0;
	if (t->by->list(t->by->context, database, &t->names, &failed) == 0)
		return put_names(t, answer);
	frame_start(answer, "failed");
	frame_put_string(answer, "reason", fault_text(&failed));
	return AT_START;
}

static int
do_more(void *conversation, struct frame *request, struct frame *answer, struct fault *why)
{
	(void)request;
	(void)why;
	return put_names(conversation, answer);
}

static const struct peer_verb verbs[] = {
	{"find", AT_START, AT_START, do_find},
	{"identify", AT_START, AT_START, do_identify},
	{"list", AT_START, AT_START, do_list},
	{"more", LISTING, LISTING, do_more},
	{NULL, 0, 0, NULL}
};

void
answer_table(int sock, const struct table_answerer *a)
{
	struct answering t = {.by = a};

	peer_serve(sock, verbs, &t);
	text_free(&t.names);
}
