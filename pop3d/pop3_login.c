/* SPDX-License-Identifier: ISC */
/*
 * pop3_login.c - pop3-login: POP3 before login (RFC 1939, 4; STLS RFC 2595; AUTH RFC 5034; UTF8 and LANG RFC 6856), TLS for the
 * whole session
 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "expire.h"
#include "language.h"
#include "mail/charset.h"
#include "pop3_proxy.h"
#include "service/login_trust.h"
#include "service/service.h"
#include "service/tls_rows.h"

static int64_t            login_delay, expire;   /* pop3d keeps the delay; here they are told */
static struct utf8_config utf8;

static const struct param params[] = {
	LOGIN_ROWS("pop3_"),
	DURATION("pop3_login_delay", &login_delay, "0s", "0s", "24h", "least time between two logins of a user (RFC 2449, 6.5: LOGIN-DELAY)"),
	POP3_EXPIRE_ROW(&expire),
	POP3_UTF8_ROWS(&utf8),
	END_OF_PARAMS
};

enum { POP3_LINE_MAX = 8192, USER_MAX = 255 };

struct dialogue {
	struct login *l;
	struct text   user;           /* of USER, until PASS */
	bool          over;
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

/* What is of use before login only, and must be told after it, too (RFC 2449, 5): lines with their ends. */
static void
login_capabilities(struct dialogue *d, struct text *out)
{
	autotext struct text names = {0};

	login_mechanisms(d->l, &names);
	if (login_config.tls && !conn_is_tls(d->l->conn))
		text_add_string(out, "STLS\r\n");
	if (span_find_text(text_span(&names), SPAN("PLAIN")) >= 0)
		text_add_string(out, "USER\r\n");
	text_add_format(out, "SASL%s%s\r\n", names.len ? " " : "", text_string(&names));
}

static void
do_capa(struct dialogue *d, struct span unused)
{
	autotext struct text delay = {0}, stay = {0}, international = {0}, login = {0};

	(void)unused;
	language_capabilities(&utf8, &international);
	login_capabilities(d, &login);
	if (login_delay)
		text_add_format(&delay, "\r\nLOGIN-DELAY %lld", (long long)login_delay / 1000);
	if (expire)
		text_add_format(&stay, "%lld", (long long)expire / POP3_DAY_MS);
	say(d, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n%s\r\nEXPIRE %s%s\r\n%sIMPLEMENTATION Postern\r\n.",
	    text_string(&international), expire ? text_string(&stay) : "NEVER", text_string(&delay), text_string(&login));
}

static void
do_quit(struct dialogue *d, struct span unused)
{
	(void)unused;
	say(d, "+OK Logging out");
	d->l->end = "Aborted login";
	d->over = true;
}

static void
do_noop(struct dialogue *d, struct span unused)
{
	(void)unused;
	say(d, "+OK");
}

static void
do_stls(struct dialogue *d, struct span unused)
{
	(void)unused;
	if (!login_config.tls || conn_is_tls(d->l->conn)) {
		say(d, "-ERR %s", conn_is_tls(d->l->conn) ? "TLS is already active." : "TLS support isn't enabled.");
		return;
	}
	if (d->l->utf8) { /* RFC 6856, 2.1 */
		say(d, "-ERR STLS comes before UTF8.");
		return;
	}
	say(d, "+OK Begin TLS negotiation now.");
	text_clear(&d->user); /* nothing that was said in clear survives */
	if (login_starttls(d->l) < 0)
		d->over = true;
}

static void
enter(struct dialogue *d)
{
	autotext struct text lines = {0};
	struct fault         why = {0};

	login_capabilities(d, &lines);
	snprintf(d->l->capabilities, sizeof d->l->capabilities, "%s", text_string(&lines));
	if (login_enter(d->l, SPAN_NONE, &why) == 0)
		d->over = true;
	else if (d->l->too_many)
		say(d, "-ERR [SYS/TEMP] %s", fault_text(&why));
	else
		say(d, "-ERR [SYS/TEMP] Internal error occurred. Refer to server log for more information.");
}

static void
go_elsewhere(struct dialogue *d)
{
	autotext struct text answer = {0};
	enum proxy_said      said = login_proxy(d->l, pop3_proxy, &answer);

	if (said == PROXY_ITSELF) {
		enter(d);
		return;
	}
	if (said == PROXY_YES || said == PROXY_NO)
		say(d, "%s", text_string(&answer));
	else
		say(d, "-ERR [SYS/TEMP] " PROXY_UNAVAILABLE);
	if (said == PROXY_YES) {
		login_proxy_enter(d->l);
		d->over = true;
	}
}

/* He was right, and may not. */
static void
refer(struct dialogue *d)
{
	const struct auth_route *r = d->l->route;

	if (*r->host)
		say(d, "-ERR %s", *r->reason ? r->reason : "Try this server instead.");
	else
		say(d, "-ERR [AUTH] %s", *r->reason ? r->reason : "Login disabled for this user");
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
		say(d, "-ERR [AUTH] Authentication failed.");
		break;
	case LOGIN_TROUBLE:
		say(d, "-ERR [SYS/TEMP] Temporary authentication failure.");
		break;
	case LOGIN_INSECURE:
		say(d, "-ERR Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
		break;
	case LOGIN_UNKNOWN_MECHANISM:
		say(d, "-ERR Unsupported authentication mechanism.");
		break;
	case LOGIN_ABORTED:
		say(d, "-ERR Authentication aborted by client.");
		break;
	case LOGIN_LOST:
		d->over = true;
	}
}

static bool
refuse_plaintext(struct dialogue *d)
{
	if (login_may_use_plaintext(d->l))
		return false;
	d->l->refused_plaintext = true;
	judge(d, LOGIN_INSECURE);
	return true;
}

/* RFC 6856, 2.2: who says UTF8 and then something else is not understood. A client that did not say it may have a password in
 * an older charset, as whoever made it typed it. */
static bool
refuse_ill_formed(struct dialogue *d, struct span word)
{
	if (!d->l->utf8 || utf8_valid(word))
		return false;
	say(d, "-ERR That is not UTF-8.");
	return true;
}

static void
do_user(struct dialogue *d, struct span name)
{
	if (refuse_plaintext(d) || refuse_ill_formed(d, name))
		return;
	if (name.len == 0 || name.len > USER_MAX) {
		say(d, "-ERR Bad user name.");
		return;
	}
	text_set(&d->user, name);
	say(d, "+OK");
}

static void
do_pass(struct dialogue *d, struct span password)
{
	autotext struct text user = {0};

	if (refuse_plaintext(d))
		return;
	if (d->user.len == 0) {
		say(d, "-ERR No username given.");
		return;
	}
	text_add(&user, text_span(&d->user));
	text_clear(&d->user);
	if (refuse_ill_formed(d, password))
		return;
	judge(d, login_plain(d->l, text_span(&user), password));
}

static int
exchange(struct login *l, struct span challenge, struct text *response)
{
	autotext struct text line = {0};
	struct span          answer;

	text_add_string(&line, "+ ");
	base64_encode(challenge, &line);
	text_add(&line, SPAN("\r\n"));
	if (conn_write(l->conn, text_span(&line), NULL) < 0 || conn_line(l->conn, POP3_LINE_MAX, &answer, NULL, NULL) < 0)
		return -1;
	if (span_is(answer, "*"))
		return 1;
	return base64_decode(answer, response, NULL) < 0 ? 1 : 0;
}

static void
do_auth(struct dialogue *d, struct span argument)
{
	autotext struct text decoded = {0};
	struct span          mechanism, rest = argument, initial;

	if (argument.len == 0) { /* an old way to ask for the mechanisms */
		autotext struct text names = {0};
		struct span          name;

		login_mechanisms(d->l, &names);
		say(d, "+OK");
		for (rest = text_span(&names); span_next(&rest, " ", &name);)
			say(d, "%.*s", SPAN_ARGS(name));
		say(d, ".");
		return;
	}
	span_next(&rest, " ", &mechanism);
	rest = span_trim(rest);
	if (rest.len && !span_is(rest, "=") && base64_decode(rest, &decoded, NULL) < 0) {
		say(d, "-ERR Invalid base64 data in initial response.");
		return;
	}
	initial = text_span(&decoded);
	judge(d, login_sasl(d->l, mechanism, rest.len ? &initial : NULL, exchange));
}

static void
do_utf8(struct dialogue *d, struct span argument)
{
	if (!utf8.enable || argument.len) {
		say(d, utf8.enable ? "-ERR UTF8 has no argument." : "-ERR UTF8 is not enabled.");
		return;
	}
	d->l->utf8 = true;
	say(d, "+OK UTF-8 it is.");
}

static void
do_lang(struct dialogue *d, struct span argument)
{
	autotext struct text answer = {0};

	language_answer(argument, &answer);
	say(d, "%s", text_string(&answer));
}

/* Dovecot's: a proxy that is trusted says for whom it speaks.  A stranger's TTL= is heeded all the same, for it bounds loops of
 * servers that hand a login on. */
static void
do_xclient(struct dialogue *d, struct span argument)
{
	struct told  told = {0};
	struct fault why = {0};

	text_clear(&d->user);      /* of whomever it was */
	if (told_xclient(argument, &told, &why) < 0) {
		told_no_client(&told);
		if (d->l->trusted) {
			say(d, "-ERR Invalid parameters: %s", fault_text(&why));
			return;
		}
	}
	switch (login_tell(d->l, &told)) {
	case TELLING_TAKEN:
		say(d, "+OK Updated");
		break;
	case TELLING_STRANGER:
		say(d, "+OK You are not from a trusted address: ignored.");
		break;
	case TELLING_AGAIN:
		say(d, "-ERR " TELLING_AGAIN_WORDS);
		d->over = true;
		break;
	case TELLING_TOO_MANY:
		say(d, "-ERR [SYS/TEMP] %s", d->l->end);
		d->over = true;
	}
}

static const struct verb {
	const char *name, *section;
	void      (*run)(struct dialogue *, struct span);
} verbs[] = {
	{"CAPA", "RFC 2449, 5", do_capa}, {"USER", "RFC 1939, 7", do_user}, {"PASS", "RFC 1939, 7", do_pass},
	{"AUTH", "RFC 5034, 4", do_auth}, {"STLS", "RFC 2595, 4", do_stls}, {"QUIT", "RFC 1939, 4", do_quit},
	{"NOOP", "RFC 1939, 5", do_noop}, {"UTF8", "RFC 6856, 2.1", do_utf8}, {"LANG", "RFC 6856, 3", do_lang},
	{"XCLIENT", "Dovecot's", do_xclient},
};

/* PASS takes the rest of the line as it is: a password may have blanks at its ends. */
static void
run(struct dialogue *d, struct span line)
{
	struct span verb = line;

	span_split(&line, ' ', &verb);
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_is_nocase(verb, verbs[i].name)) {
			verbs[i].run(d, span_is_nocase(verb, "PASS") ? line : span_trim(line));
			return;
		}
	if (++d->l->bad_commands >= LOGIN_BAD_MAX) {
		d->l->end = "Too many invalid commands";
		d->over = true;
	}
	say(d, "-ERR Unknown command.");
}

static bool
next_line(struct dialogue *d, struct span *line)
{
	struct fault why = {0};

	if (conn_bytes_in(d->l->conn) > LOGIN_INPUT_MAX) {
		d->l->end = "Too much input before login";
		return false;
	}
	if (conn_line(d->l->conn, POP3_LINE_MAX, line, NULL, &why) == 0)
		return !span_starts(*line, "GET ") && !span_starts(*line, "POST ");
	if (why.class == FAULT_TIME) {
		say(d, "-ERR Disconnected for inactivity during authentication.");
		d->l->end = "Inactivity during authentication";
	}
	return false;
}

static void
serve(int fd, const struct listener *unused)
{
	struct dialogue d = {.l = login_start(fd)};
	struct span     line;

	(void)unused;
	if (!d.l)
		return;
	say(&d, "+OK %s Postern ready.", d.l->trusted ? POP3_TAKES_CLIENT : POP3_TAKES_TTL);
	while (!d.over && next_line(&d, &line)) {
		autofree char *copy = mem_span(line); /* a handler may read on */
		size_t         len = line.len;

		run(&d, span_at(copy, len));
		mem_wipe(copy, len);
	}
	text_free(&d.user);
	login_end(d.l);
}

static int
prepare(struct fault *why)
{
	return pop3_expire_check(expire, why) < 0 ? -1 : login_prepare("pop3", why);
}

static const char *const asks[] = {"authd", "anvil", "dialer", "pop3", NULL};

static const struct service pop3_login = {
	.name = "pop3-login",
	.about = "POP3 before login, and TLS for the whole session",
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
	return service_run(&pop3_login, argc, argv);
}
