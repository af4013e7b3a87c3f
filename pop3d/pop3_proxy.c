/* SPDX-License-Identifier: ISC */
/*
 * pop3_proxy.c - logging in at another server in somebody's name, by POP3
 */
#include "pop3_proxy.h"

#include "base/base64.h"

static enum proxy_said
failed(const struct fault *why)
{
	return why->class == FAULT_INPUT ? PROXY_MISFIT : PROXY_TROUBLE;
}

/* One line: PROXY_YES +OK, PROXY_NO anything else. */
static enum proxy_said
hear(struct proxy_talk *t, struct span *line, struct fault *why)
{
	if (proxy_line(t, line, why) < 0)
		return failed(why);
	return span_starts_nocase(*line, "+OK") ? PROXY_YES : PROXY_NO;
}

static enum proxy_said
needs(struct proxy_talk *t, const char *what, struct fault *why)
{
	struct span     line;
	enum proxy_said said = hear(t, &line, why);

	if (said != PROXY_NO)
		return said;
	fault_set(why, FAULT_INPUT, "%s failed: %.*s", what, SPAN_ARGS(span_first(line, 120)));
	return PROXY_MISFIT;
}

static enum proxy_said
do_stls(struct proxy_talk *t, struct fault *why)
{
	enum proxy_said said;

	conn_print(t->conn, NULL, "STLS\r\n");
	said = needs(t, "STLS", why);
	return said == PROXY_YES && t->start_tls(t, why) < 0 ? failed(why) : said;
}

static enum proxy_said
do_xclient(struct proxy_talk *t, bool client, struct fault *why)
{
	conn_print(t->conn, NULL, "XCLIENT ");
	if (client && t->trusted)
		conn_print(t->conn, NULL, "ADDR=%.*s PORT=%d SESSION=%.*s ", SPAN_ARGS(t->peer), t->peer_port, SPAN_ARGS(t->session));
	conn_print(t->conn, NULL, "TTL=%d\r\n", t->ttl);
	return needs(t, "XCLIENT", why);
}

static enum proxy_said
do_utf8(struct proxy_talk *t, struct fault *why)
{
	conn_print(t->conn, NULL, "UTF8\r\n");
	return needs(t, "UTF8", why);
}

static enum proxy_said
last_word(struct proxy_talk *t, struct text *answer, struct fault *why)
{
	struct span     line;
	enum proxy_said said = hear(t, &line, why);

	if (said == PROXY_NO && !span_starts_nocase(line, "-ERR")) {
		fault_set(why, FAULT_INPUT, "Login failed: %.*s", SPAN_ARGS(span_first(line, 120)));
		return PROXY_MISFIT;
	}
	if (said == PROXY_YES || said == PROXY_NO)
		text_set(answer, line);
	return said;
}

static enum proxy_said
do_user(struct proxy_talk *t, struct text *answer, struct fault *why)
{
	enum proxy_said said;

	if (span_find_any(t->user, "\r\n") >= 0 || span_find_any(t->password, "\r\n") >= 0) {
		fault_set(why, FAULT_INPUT, "a line end in a name or password");
		return PROXY_MISFIT;
	}
	conn_print(t->conn, NULL, "USER %.*s\r\n", SPAN_ARGS(t->user));
	said = last_word(t, answer, why);
	if (said != PROXY_YES)
		return said;
	text_clear(answer);
	conn_print(t->conn, NULL, "PASS %.*s\r\n", SPAN_ARGS(t->password));
	return last_word(t, answer, why);
}

static int
say_base64(struct proxy_talk *t, struct span raw)
{
	autotext struct text line = {0};
	int                  outcome;

	base64_encode(raw, &line);
	text_add_string(&line, "\r\n");
	outcome = conn_write(t->conn, text_span(&line), NULL);
	mem_wipe(line.at, line.room);
	return outcome;
}

/* RFC 5034: it asks, "+ ", and hears. */
static enum proxy_said
respond(struct proxy_talk *t, struct span raw, struct text *answer, struct fault *why)
{
	struct span line;

	if (proxy_line(t, &line, why) < 0)
		return failed(why);
	if (span_starts(line, "+ ") || span_is(line, "+"))
		return say_base64(t, raw) < 0 ? PROXY_TROUBLE : PROXY_YES;
	if (span_starts_nocase(line, "-ERR")) {
		text_set(answer, line);
		return PROXY_NO;
	}
	fault_set(why, FAULT_INPUT, "Unexpected answer: %.*s", SPAN_ARGS(span_first(line, 120)));
	return PROXY_MISFIT;
}

static enum proxy_said
do_auth(struct proxy_talk *t, struct text *answer, struct fault *why)
{
	autotext struct text raw = {0};
	enum proxy_said      said;
	bool                 two = span_is(t->mechanism, "LOGIN");

	if (!two && proxy_initial(t, &raw) < 0) {
		fault_set(why, FAULT_INPUT, "proxy_mech=%.*s cannot say that name", SPAN_ARGS(t->mechanism));
		return PROXY_MISFIT;
	}
	conn_print(t->conn, NULL, "AUTH %.*s\r\n", SPAN_ARGS(t->mechanism));
	said = respond(t, two ? t->user : text_span(&raw), answer, why);
	if (said == PROXY_YES && two)
		said = respond(t, t->password, answer, why);
	if (raw.at)
		mem_wipe(raw.at, raw.room);
	return said == PROXY_YES ? last_word(t, answer, why) : said;
}

enum proxy_said
pop3_proxy(struct proxy_talk *t, struct text *answer, struct fault *why)
{
	struct span     line;
	enum proxy_said said = hear(t, &line, why);
	struct span     code = said == PROXY_YES ? span_trim(span_from(line, 3)) : SPAN_NONE;
	bool            takes_client = span_starts(code, POP3_TAKES_CLIENT), takes_ttl = takes_client || span_starts(code, POP3_TAKES_TTL);

	if (said == PROXY_NO) {
		fault_set(why, FAULT_INPUT, "Invalid greeting: %.*s", SPAN_ARGS(span_first(line, 120)));
		return PROXY_MISFIT;
	}
	if (said == PROXY_YES && t->starttls)
		said = do_stls(t, why);
	/* The greeting's word is all that holds over STLS: a server greets once, and says it nowhere else.  Who forges it wins a refusal; who
	 * takes it out, that the server is not told who the client is. */
	if (said == PROXY_YES && takes_ttl)
		said = do_xclient(t, takes_client, why);
	if (said == PROXY_YES && t->utf8)
		said = do_utf8(t, why);
	if (said != PROXY_YES)
		return said;
	return t->mechanism.len ? do_auth(t, answer, why) : do_user(t, answer, why);
}
