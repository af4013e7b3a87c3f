/* SPDX-License-Identifier: ISC */
/*
 * imap_proxy.c - logging in at another server in somebody's name, by IMAP
 */
#include "imap_proxy.h"

#include "base/base64.h"

struct dialogue {
	struct proxy_talk *talk;
	struct text        capability;      /* as told last; empty: not yet */
	struct text        early;           /* the answer to a login of which not all was said */
	struct fault      *why;
};

static enum proxy_said
failed(const struct dialogue *d)
{
	return d->why->class == FAULT_INPUT ? PROXY_MISFIT : PROXY_TROUBLE;
}

static enum proxy_said
misfit(struct dialogue *d, const char *words, struct span line)
{
	fault_set(d->why, FAULT_INPUT, "%s: %.*s", words, SPAN_ARGS(span_first(line, 120)));
	return PROXY_MISFIT;
}

static bool
has(const struct dialogue *d, const char *capability)
{
	struct span rest = text_span(&d->capability), word;

	while (span_next(&rest, " ", &word))
		if (span_is_nocase(word, capability))
			return true;
	return false;
}

/* "[CAPABILITY IMAP4rev1 ..] text" in front of a text (RFC 3501, 7.1): moves on behind it. */
static void
take_code(struct dialogue *d, struct span *text)
{
	ptrdiff_t end = span_find(*text, ']');

	if (!span_starts_nocase(*text, "[CAPABILITY ") || end < 0)
		return;
	text_set(&d->capability, span_cut(*text, 12, (size_t)end));
	*text = span_trim(span_from(*text, (size_t)end + 1));
}

static enum proxy_said
greeting(struct dialogue *d)
{
	struct span line, text;

	if (proxy_line(d->talk, &line, d->why) < 0)
		return failed(d);
	if (!span_starts_nocase(line, "* OK"))
		return misfit(d, "Invalid greeting", line);
	text = span_trim(span_from(line, 4));
	take_code(d, &text);
	return PROXY_YES;
}

/* Its answer to the command with this tag ("+": it asks for more), behind the tag: 0, -1. What else it says is not for us, but
 * CAPABILITY; a refusal before all was said is kept. */
static int
answer_to(struct dialogue *d, const char *tag, struct span *answer)
{
	struct span line, rest, word;

	for (;;) {
		if (proxy_line(d->talk, &line, d->why) < 0)
			return -1;
		rest = line;
		span_split(&rest, ' ', &word);
		if (span_is(word, tag)) {
			*answer = rest;
			return 0;
		}
		if (tag[0] == '+' && span_is(word, "L")) {
			text_set(&d->early, rest);
			return fault_set(d->why, FAULT_DENIED, "refused");
		}
		if (!span_is(word, "*"))
			return fault_set(d->why, FAULT_INPUT, "Unexpected answer: %.*s", SPAN_ARGS(span_first(line, 120)));
		if (span_starts_nocase(rest, "CAPABILITY "))
			text_set(&d->capability, span_trim(span_from(rest, 11)));
		else if (span_starts_nocase(rest, "BYE"))
			return fault_set(d->why, FAULT_PEER, "Disconnected by server: %.*s", SPAN_ARGS(span_first(rest, 120)));
	}
}

static enum proxy_said
do_starttls(struct dialogue *d)
{
	struct span answer;

	if (d->capability.len && !has(d, "STARTTLS"))
		return misfit(d, "STARTTLS not supported", text_span(&d->capability));
	conn_print(d->talk->conn, NULL, "S STARTTLS\r\n");
	if (answer_to(d, "S", &answer) < 0)
		return failed(d);
	if (!span_starts_nocase(answer, "OK"))
		return misfit(d, "STARTTLS failed", answer);
	text_clear(&d->capability); /* nothing that was said in clear survives */
	return d->talk->start_tls(d->talk, d->why) < 0 ? failed(d) : PROXY_YES;
}

static enum proxy_said
do_id(struct dialogue *d)
{
	const struct proxy_talk *t = d->talk;
	struct span              answer;

	conn_print(t->conn, NULL, "I ID (");
	if (t->trusted)
		conn_print(t->conn, NULL, "\"x-session-id\" \"%.*s\" \"x-originating-ip\" \"%.*s\" \"x-originating-port\" \"%d\" "
		           "\"x-connected-ip\" \"%.*s\" \"x-connected-port\" \"%d\" ", SPAN_ARGS(t->session),
		           SPAN_ARGS(t->peer), t->peer_port, SPAN_ARGS(t->local), t->local_port);
	conn_print(t->conn, NULL, "\"x-proxy-ttl\" \"%d\")\r\n", t->ttl);
	return answer_to(d, "I", &answer) < 0 ? failed(d) : PROXY_YES;       /* whatever it thinks of that */
}

static enum proxy_said
do_capability(struct dialogue *d)
{
	struct span answer;

	conn_print(d->talk->conn, NULL, "C CAPABILITY\r\n");
	if (answer_to(d, "C", &answer) < 0)
		return failed(d);
	return d->capability.len ? PROXY_YES : misfit(d, "CAPABILITY failed", answer);
}

/* A quoted string, or a literal that waits to be asked for (RFC 3501, 4.3). */
static int
put_string(struct dialogue *d, struct span s)
{
	struct conn *c = d->talk->conn;
	struct span  answer;
	bool         plain = s.len < 1000;

	for (size_t i = 0; i < s.len && plain; i++)
		plain = s.at[i] >= ' ' && s.at[i] < 0x7f;
	if (!plain) {
		conn_print(c, NULL, "{%zu}\r\n", s.len);
		if (answer_to(d, "+", &answer) < 0)
			return -1;
		return conn_write(c, s, d->why);
	}
	conn_write(c, SPAN("\""), NULL);
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			conn_write(c, SPAN("\\"), NULL);
		conn_write(c, span_at(s.at + i, 1), NULL);
	}
	return conn_write(c, SPAN("\""), d->why);
}

static int
say_login(struct dialogue *d)
{
	struct conn *c = d->talk->conn;

	conn_print(c, NULL, "L LOGIN ");
	if (put_string(d, d->talk->user) < 0)
		return -1;
	conn_write(c, SPAN(" "), NULL);
	if (put_string(d, d->talk->password) < 0)
		return -1;
	return conn_print(c, d->why, "\r\n");
}

static int
say_base64(struct dialogue *d, struct span raw, const char *before)
{
	autotext struct text line = {0};
	int                  outcome;

	text_add_string(&line, before);
	if (raw.len)
		base64_encode(raw, &line);
	else if (*before)
		text_add_byte(&line, '=');
	text_add_string(&line, "\r\n");
	outcome = conn_write(d->talk->conn, text_span(&line), d->why);
	mem_wipe(line.at, line.room);
	return outcome;
}

/* AUTHENTICATE (RFC 3501, 6.2.2), with the initial response at once where it may (RFC 4959). */
static int
say_authenticate(struct dialogue *d)
{
	struct proxy_talk   *t = d->talk;
	autotext struct text raw = {0};
	autofree char       *before = mem_format("L AUTHENTICATE %.*s ", SPAN_ARGS(t->mechanism));
	struct span          challenge;
	int                  outcome = -1;

	if (span_is(t->mechanism, "LOGIN")) {
		conn_print(t->conn, NULL, "L AUTHENTICATE LOGIN\r\n");
		if (answer_to(d, "+", &challenge) < 0 || say_base64(d, t->user, "") < 0 || answer_to(d, "+", &challenge) < 0)
			return -1;
		return say_base64(d, t->password, "");
	}
	if (proxy_initial(t, &raw) < 0)
		return fault_set(d->why, FAULT_INPUT, "proxy_mech=%.*s cannot say that name", SPAN_ARGS(t->mechanism));
	if (has(d, "SASL-IR")) {
		outcome = say_base64(d, text_span(&raw), before);
	} else {
		conn_print(t->conn, NULL, "L AUTHENTICATE %.*s\r\n", SPAN_ARGS(t->mechanism));
		if (answer_to(d, "+", &challenge) == 0)
			outcome = say_base64(d, text_span(&raw), "");
	}
	mem_wipe(raw.at, raw.room);
	return outcome;
}

static enum proxy_said
judge(struct dialogue *d, struct span answer, struct text *out)
{
	struct span text;

	if (span_starts_nocase(answer, "OK")) {
		text = span_trim(span_from(answer, 2));
		take_code(d, &text);
		if (d->capability.len && has(d, "IMAP4rev1"))
			text_add_format(out, "[CAPABILITY %s] ", text_string(&d->capability));
		text_add(out, text.len ? text : SPAN("Logged in"));
		return PROXY_YES;
	}
	if (!span_starts_nocase(answer, "NO"))
		return misfit(d, "Login failed", answer);
	text = span_trim(span_from(answer, 2));
	text_add_string(out, "NO ");
	text_add(out, span_starts(text, "[") ? text : SPAN("[AUTHENTICATIONFAILED] Authentication failed."));
	return PROXY_NO;
}

static enum proxy_said
do_login(struct dialogue *d, struct text *out)
{
	struct span answer;

	if (!d->talk->mechanism.len && has(d, "LOGINDISABLED"))
		return misfit(d, "LOGINDISABLED", text_span(&d->capability));
	if ((d->talk->mechanism.len ? say_authenticate(d) : say_login(d)) < 0)
		return d->early.len && !span_starts_nocase(text_span(&d->early), "OK") ? judge(d, text_span(&d->early), out) : failed(d);
	text_clear(&d->capability);      /* what is told behind the login counts, if anything is */
	if (answer_to(d, "L", &answer) < 0)
		return failed(d);
	return judge(d, answer, out);
}

static enum proxy_said
hold(struct dialogue *d, struct text *out)
{
	enum proxy_said said = greeting(d);

	if (said == PROXY_YES && d->talk->starttls)
		said = do_starttls(d);
	if (said == PROXY_YES && !d->capability.len)
		said = do_capability(d);
	if (said == PROXY_YES && has(d, "ID"))
		said = do_id(d);
	return said == PROXY_YES ? do_login(d, out) : said;
}

enum proxy_said
imap_proxy(struct proxy_talk *t, struct text *answer, struct fault *why)
{
	struct dialogue d = {.talk = t, .why = why};
	enum proxy_said said = hold(&d, answer);

	text_free(&d.capability);
	text_free(&d.early);
	return said;
}
