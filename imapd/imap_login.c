/* SPDX-License-Identifier: ISC */
/*
 * imap_login.c - imap-login: IMAP before login (RFC 3501, 6.1 and 6.2), TLS for the whole session
 */
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "command.h"
#include "grammar.h"
#include "imap_proxy.h"
#include "service/login_proxy.h"
#include "service/login_trust.h"
#include "service/service.h"
#include "service/tls_rows.h"

static const struct param params[] = {LOGIN_ROWS("imap_"), END_OF_PARAMS};

struct dialogue {
	struct login  *l;
	struct command c;
	bool           over;
	bool           asked_capability;       /* the client did not take it from the greeting */
};

static void
say(struct dialogue *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct dialogue *d, const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	text_add(&line, SPAN("\r\n"));
	if (conn_write(d->l->conn, text_span(&line), NULL) < 0)
		d->over = true;
}

static void
finish(struct dialogue *d, const char *words)
{
	say(d, "%.*s %s", SPAN_ARGS(d->c.tag), words);
}

static bool
has_word(struct span rest, const char *word)
{
	struct span one;

	while (span_next(&rest, " ", &one))
		if (span_is(one, word))
			return true;
	return false;
}

static void
capabilities(struct dialogue *d, struct text *out)
{
	autotext struct text names = {0};
	struct span          rest, name;

	text_add_string(out, "IMAP4rev1 SASL-IR LOGIN-REFERRALS LITERAL+ ID ENABLE IDLE");
	if (login_config.tls && !conn_is_tls(d->l->conn))
		text_add_string(out, " STARTTLS");
	login_mechanisms(d->l, &names);
	if (!login_may_use_plaintext(d->l) || !has_word(text_span(&names), "PLAIN"))
		text_add_string(out, " LOGINDISABLED");
	for (rest = text_span(&names); span_next(&rest, " ", &name);)
		text_add_format(out, " AUTH=%.*s", SPAN_ARGS(name));
}

static void
do_capability(struct dialogue *d)
{
	autotext struct text list = {0};

	d->asked_capability = true;
	capabilities(d, &list);
	say(d, "* CAPABILITY %s", text_string(&list));
	finish(d, "OK Pre-login capabilities listed, post-login capabilities have more.");
}

static void
do_noop(struct dialogue *d)
{
	finish(d, "OK NOOP completed.");
}

/* What a proxy says of its client in ID: as told_take. */
static int
take_fields(const struct argument *list, struct told *told, struct fault *why)
{
	const struct argument *name = list && list->type == ARGUMENT_LIST ? list->children : NULL;
	int                    outcome = 0;

	for (; name && name->next; name = name->next->next)
		if (argument_is_astring(name) && argument_is_astring(name->next) && !argument_is_atom(name->next, "NIL") &&
		    told_take(told, TOLD_BY_ID, name->text, name->next->text, why) < 0)
			outcome = -1;
	return outcome;
}

static void
end(struct dialogue *d, const char *words)
{
	say(d, "* BYE %s", words);
	d->over = true;
}

/* RFC 2971. What a stranger says of itself is not kept; a proxy that is trusted says for whom it speaks. */
static void
do_id(struct dialogue *d)
{
	struct told  told = {0};
	struct fault why = {0};

	if (take_fields(d->c.arguments, &told, &why) < 0) {
		if (d->l->trusted)
			log_warning("imap-login: ID of %s is not believed: %s", d->l->socket.peer, fault_text(&why));
		told_no_client(&told);
	}
	switch (login_tell(d->l, &told)) {
	case TELLING_TAKEN:
	case TELLING_STRANGER:
		say(d, "* ID (\"name\" \"Postern\")");
		finish(d, "OK ID completed.");
		break;
	case TELLING_AGAIN:
		end(d, TELLING_AGAIN_WORDS);
		break;
	case TELLING_TOO_MANY:
		end(d, d->l->end);
	}
}

static void
do_logout(struct dialogue *d)
{
	say(d, "* BYE Logging out");
	finish(d, "OK Logout completed.");
	d->l->end = "Aborted login";
	d->over = true;
}

static void
do_starttls(struct dialogue *d)
{
	if (!login_config.tls || conn_is_tls(d->l->conn)) {
		finish(d, conn_is_tls(d->l->conn) ? "BAD TLS is already active." : "BAD TLS support isn't enabled.");
		return;
	}
	finish(d, "OK Begin TLS negotiation now.");
	if (login_starttls(d->l) < 0)
		d->over = true;
}

static void
enter(struct dialogue *d)
{
	struct fault why = {0};

	if (login_enter(d->l, d->c.tag, &why) == 0)
		d->over = d->l->entered;
	else if (d->l->too_many)
		say(d, "%.*s NO [LIMIT] %s", SPAN_ARGS(d->c.tag), fault_text(&why));
	else
		finish(d, "NO [UNAVAILABLE] Internal error occurred. Refer to server log for more information.");
}

/* As Dovecot tells it: a client that has asked for the capabilities before may look at nothing but such an answer. */
static void
enter_other_server(struct dialogue *d, struct span answer)
{
	ptrdiff_t end = span_find(answer, ']');

	if (d->asked_capability && span_starts(answer, "[CAPABILITY ") && end > 0) {
		say(d, "* CAPABILITY %.*s", SPAN_ARGS(span_cut(answer, 12, (size_t)end)));
		answer = span_trim(span_from(answer, (size_t)end + 1));
	}
	say(d, "%.*s OK %.*s", SPAN_ARGS(d->c.tag), SPAN_ARGS(answer));
	login_proxy_enter(d->l);
	d->over = true;
}

static void
go_elsewhere(struct dialogue *d)
{
	autotext struct text answer = {0};

	switch (login_proxy(d->l, imap_proxy, &answer)) {
	case PROXY_YES:
		enter_other_server(d, text_span(&answer));
		break;
	case PROXY_NO:
		finish(d, text_string(&answer));
		break;
	case PROXY_TROUBLE:
		finish(d, "NO [UNAVAILABLE] " PROXY_UNAVAILABLE);
		break;
	case PROXY_MISFIT:
		finish(d, "NO [SERVERBUG] " PROXY_UNAVAILABLE);
		break;
	case PROXY_ITSELF:
		enter(d);
	}
}

/* RFC 3501, 9: what an enc-user may hold (RFC 5092, 11); the rest is %-encoded. */
static void
add_encoded(struct text *out, const char *name)
{
	for (; *name; name++)
		if (ascii_alpha(*name) || ascii_digit(*name) || strchr("-_.~!$'()*+,&=", *name))
			text_add_byte(out, *name);
		else
			text_add_format(out, "%%%02X", (unsigned char)*name);
}

/* He was right, and may not: his mailbox is at another server (RFC 2221), or nowhere. */
static void
refer(struct dialogue *d)
{
	const struct auth_route *r = d->l->route;
	autotext struct text     url = {0};

	if (!*r->host) {
		say(d, "%.*s NO [CONTACTADMIN] %s", SPAN_ARGS(d->c.tag), *r->reason ? r->reason : "Login disabled for this user");
		return;
	}
	text_add_string(&url, "imap://");
	add_encoded(&url, r->user);
	text_add_format(&url, strchr(r->host, ':') ? ";AUTH=%s@[%s]" : ";AUTH=%s@%s", d->l->method, r->host);
	if (r->port != 143)
		text_add_format(&url, ":%lld", (long long)r->port);
	say(d, "%.*s NO [REFERRAL %s/] %s", SPAN_ARGS(d->c.tag), text_string(&url), *r->reason ? r->reason : "Try this server instead.");
}

static void
judge(struct dialogue *d, enum login_verdict verdict)
{
	switch (verdict) {
	case LOGIN_YES:
		if (d->l->route)
			go_elsewhere(d);
		else
			enter(d);
		break;
	case LOGIN_CLOSED:
		refer(d);
		break;
	case LOGIN_NO:
		finish(d, "NO [AUTHENTICATIONFAILED] Authentication failed.");
		break;
	case LOGIN_TROUBLE:
		finish(d, "NO [UNAVAILABLE] Temporary authentication failure.");
		break;
	case LOGIN_INSECURE:
		finish(d, "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
		break;
	case LOGIN_UNKNOWN_MECHANISM:
		finish(d, "NO [CANNOT] Unsupported authentication mechanism.");
		break;
	case LOGIN_ABORTED:
		finish(d, "BAD Authentication aborted by client.");
		break;
	case LOGIN_LOST:
		d->over = true;
	}
}

static void
do_login(struct dialogue *d)
{
	const struct argument *user = d->c.arguments, *password = user ? user->next : NULL;

	if (d->c.count != 2 || !argument_is_astring(user) || !argument_is_astring(password)) {
		finish(d, "BAD Missing or wrong arguments.");
		return;
	}
	if (!login_may_use_plaintext(d->l)) {
		d->l->refused_plaintext = true;
		judge(d, LOGIN_INSECURE);
		return;
	}
	judge(d, login_plain(d->l, user->text, password->text));
}

static int
exchange(struct login *l, struct span challenge, struct text *response)
{
	autotext struct text line = {0};
	struct span          answer;

	text_add_string(&line, "+ ");
	base64_encode(challenge, &line);
	text_add(&line, SPAN("\r\n"));
	if (conn_write(l->conn, text_span(&line), NULL) < 0 || conn_line(l->conn, LOGIN_LINE_MAX, &answer, NULL, NULL) < 0)
		return -1;
	if (span_is(answer, "*"))
		return 1;
	return base64_decode(answer, response, NULL) < 0 ? 1 : 0;
}

static void
do_authenticate(struct dialogue *d)
{
	const struct argument *mechanism = d->c.arguments, *initial = mechanism ? mechanism->next : NULL;
	autotext struct text   decoded = {0};
	struct span            first;

	if (d->c.count < 1 || d->c.count > 2 || !argument_is_astring(mechanism)) {
		finish(d, "BAD Missing or wrong arguments.");
		return;
	}
	/* SASL-IR (RFC 4959): "=" is an empty initial response */
	if (initial && !span_is(initial->text, "=") && base64_decode(initial->text, &decoded, NULL) < 0) {
		finish(d, "BAD Invalid base64 data in initial response.");
		return;
	}
	first = text_span(&decoded);
	judge(d, login_sasl(d->l, mechanism->text, initial ? &first : NULL, exchange));
}

static const struct verb {
	const char *name, *section;
	void      (*run)(struct dialogue *);
} verbs[] = {
	{"CAPABILITY",   "RFC 3501, 6.1.1", do_capability},
	{"NOOP",         "RFC 3501, 6.1.2", do_noop},
	{"LOGOUT",       "RFC 3501, 6.1.3", do_logout},
	{"STARTTLS",     "RFC 3501, 6.2.1", do_starttls},
	{"AUTHENTICATE", "RFC 3501, 6.2.2", do_authenticate},
	{"LOGIN",        "RFC 3501, 6.2.3", do_login},
	{"ID",           "RFC 2971, 3.1",   do_id},
};

static void
bad(struct dialogue *d, const char *words)
{
	if (++d->l->bad_commands >= LOGIN_BAD_MAX) {
		say(d, "* BYE Too many invalid IMAP commands.");
		d->l->end = "Too many invalid commands";
		d->over = true;
		return;
	}
	say(d, "%.*s BAD %s", SPAN_ARGS(d->c.tag.len ? d->c.tag : SPAN("*")), words);
}

static void
run(struct dialogue *d)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_is_nocase(d->c.verb, verbs[i].name) && !d->c.uid) {
			verbs[i].run(d);
			return;
		}
	bad(d, "Error in IMAP command received by server.");
}

/* A browser that was talked into speaking with us (ALPACA): not a word. */
static bool
is_http(struct span line)
{
	return span_starts(line, "GET ") || span_starts(line, "POST ") || span_starts(line, "CONNECT ");
}

static bool
next_command(struct dialogue *d, struct command_input *in)
{
	struct fault why = {0};

	if (conn_bytes_in(d->l->conn) > LOGIN_INPUT_MAX) {
		d->l->end = "Too much input before login";
		return false;
	}
	if (command_read(d->l->conn, LOGIN_LINE_MAX, in, &why) < 0) {
		if (why.class == FAULT_TIME) {
			say(d, "* BYE Disconnected for inactivity during authentication.");
			d->l->end = "Inactivity during authentication";
		}
		return false;
	}
	return !is_http(text_span(&in->text)) && !in->literal; /* APPEND is not for strangers */
}

static void
converse(struct dialogue *d)
{
	while (!d->over) {
		struct command_input in = {0};
		struct fault         why = {0};

		d->c = (struct command){0};
		arena_reset(d->l->arena);
		if (!next_command(d, &in)) {
			d->over = true;
		} else if (in.refused) {
			grammar_parse(d->l->arena, text_span(&in.text), &d->c, &why); /* for its tag */
			bad(d, in.refused);
		} else if (grammar_parse(d->l->arena, text_span(&in.text), &d->c, &why) < 0) {
			bad(d, fault_text(&why));
		} else {
			run(d);
		}
		if (in.text.at)
			mem_wipe(in.text.at, in.text.room);
		text_free(&in.text);
	}
}

static void
serve(int fd, const struct listener *unused)
{
	struct dialogue      d = {.l = login_start(fd)};
	autotext struct text list = {0};

	(void)unused;
	if (!d.l)
		return;
	capabilities(&d, &list);
	say(&d, "* OK [CAPABILITY %s] Postern ready.", text_string(&list));
	converse(&d);
	login_end(d.l);
}

/* UNAUTHENTICATE (RFC 8437): the user's process has answered. */
static void
again(struct login *l)
{
	struct dialogue d = {.l = l};

	converse(&d);
	login_end(l);
}

static int
prepare(struct fault *why)
{
	login_config.again = again;
	login_config.told_in_clear_holds = true;
	return login_prepare("imap", why);
}

static const char *const asks[] = {"authd", "anvil", "dialer", "imap", NULL};

static const struct service imap_login = {
	.name = "imap-login",
	.about = "IMAP before login, and TLS for the whole session",
	.role = ROLE_NET,
	.model = SERVE_TASKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK,
	.params = params,
	.tls_params = service_tls_params,
	.tasks = "1000",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&imap_login, argc, argv);
}
