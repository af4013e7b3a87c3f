/* SPDX-License-Identifier: ISC */
/*
 * managesieve_login.c - managesieve-login: ManageSieve before login (RFC 5804, 1 and 2.1 to 2.4), TLS for the whole session
 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "manage_words.h"
#include "service/login_trust.h"
#include "service/service.h"
#include "service/tls_rows.h"
#include "sieve/sieve.h"

static const char *extensions_setting, *imapsieve_url;

static const struct param params[] = {
	LOGIN_ROWS("managesieve_"),
	RAW("imapsieve_url", &imapsieve_url, "", "where it is set scripts may be for IMAP events, too (imapsieve)"),
	RAW("sieve_extensions", &extensions_setting, "", "what scripts may require: empty all but what runs programs (vnd.dovecot.pipe, .filter, .execute); +x -y that and x, but not y; x y only these"),
	END_OF_PARAMS
};

enum { LINE_BYTES = 8192, LITERAL_MAX = 16384 };

struct dialogue {
	struct login         *l;
	struct arena         *arena;        /* of one command */
	struct manage_command command;
	bool                  over;
};

static void say(struct dialogue *, const char *format, ...) __attribute__((format(printf, 2, 3)));

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
tell_capabilities(struct dialogue *d, const char *last)
{
	autotext struct text names = {0}, extensions = {0};
	struct span          unknown;
	uint64_t             set;

	login_mechanisms(d->l, &names);
	sieve_extensions_parse(span_of(extensions_setting), &set, &unknown);
	if (*imapsieve_url)
		set |= sieve_imap_extensions();
	sieve_capabilities(set, &extensions);
	say(d, "\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" \"%s\"\r\n\"NOTIFY\" \"mailto\"\r\n\"SASL\" \"%s\"%s\r\n\"VERSION\" \"1.0\"%s\r\nOK \"%s\"",
	    text_string(&extensions), text_string(&names),
	    login_config.tls && !conn_is_tls(d->l->conn) ? "\r\n\"STARTTLS\"" : "",
	    d->l->trusted ? "\r\n\"XCLIENT\"" : "", last);
}

static void
do_capability(struct dialogue *d)
{
	tell_capabilities(d, "Capability completed.");
}

static void
do_logout(struct dialogue *d)
{
	say(d, "OK \"Logout completed.\"");
	d->l->end = "Aborted login by logging out";
	d->over = true;
}

static void
do_noop(struct dialogue *d)
{
	autotext struct text quoted = {0};

	if (d->command.count < 2) {
		say(d, "OK \"NOOP completed.\"");
		return;
	}
	manage_add_string(d->command.words[1].text, &quoted);
	say(d, "OK (TAG %.*s) \"Done.\"", SPAN_ARGS(text_span(&quoted)));
}

static void
do_starttls(struct dialogue *d)
{
	if (!login_config.tls || conn_is_tls(d->l->conn)) {
		say(d, "NO \"%s\"", conn_is_tls(d->l->conn) ? "TLS is already active." : "TLS support isn't enabled.");
		return;
	}
	say(d, "OK \"Begin TLS negotiation now.\"");
	if (login_starttls(d->l) < 0)
		d->over = true;
	else                                   /* RFC 5804, 2.2: unasked */
		tell_capabilities(d, "TLS negotiation successful.");
}

static void
judge(struct dialogue *d, enum login_verdict verdict)
{
	struct fault why = {0};

	switch (verdict) {
	case LOGIN_CLOSED:
		say(d, "NO \"Login disabled for this user\"");
		break;
	case LOGIN_YES:
		if (d->l->route) {
			log_error("managesieve-login: proxy(%s): scripts at another server are not had through this one: user=<%s>, rip=%s, lip=%s, session=<%s>",
			          d->l->user, d->l->user, d->l->peer, d->l->local, d->l->session);
			say(d, "NO \"Account is temporarily unavailable.\"");
		} else if (login_enter(d->l, SPAN_NONE, &why) == 0)
			d->over = true;        /* the OK is the user's process's */
		else
			say(d, "NO (TRYLATER) \"Internal error occurred. Refer to server log for more information.\"");
		break;
	case LOGIN_NO:
		say(d, "NO \"Authentication failed.\"");
		break;
	case LOGIN_TROUBLE:
		say(d, "NO (TRYLATER) \"Temporary authentication failure.\"");
		break;
	case LOGIN_INSECURE:
		d->l->refused_plaintext = true;
		say(d, "NO (ENCRYPT-NEEDED) \"Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\"");
		break;
	case LOGIN_UNKNOWN_MECHANISM:
		say(d, "NO \"Unsupported authentication mechanism.\"");
		break;
	case LOGIN_ABORTED:
		say(d, "NO \"Authentication aborted by client.\"");
		break;
	case LOGIN_LOST:
		d->over = true;
	}
}

/* The words of one command or answer, literals and all: 0, 1 malformed (refused), -1 lost. */
static int
read_words(struct conn *c, struct arena *arena, struct manage_command *command, struct fault *why)
{
	struct span line, part;
	int64_t     literal;

	command->count = 0;
	for (;;) {
		if (conn_line(c, LINE_BYTES, &line, NULL, why) < 0)
			return -1;
		if (manage_words(arena, arena_span(arena, line), command, &literal, why) < 0)
			return 1;
		if (literal < 0)
			return 0;
		if (literal > LITERAL_MAX || command->count == MANAGE_WORDS_MAX)
			return fault_set(why, FAULT_INPUT, "literal is too large");
		autotext struct text text = {0};

		while ((int64_t)text.len < literal) {
			if (conn_some(c, (size_t)literal - text.len, &part, why) < 0)
				return -1;
			text_add(&text, part);
		}
		command->words[command->count++] = (struct manage_word){.kind = MANAGE_STRING, .text = arena_span(arena, text_span(&text))};
	}
}

/* RFC 5804, 2.1: a challenge is a string with base64 in it, and so is the answer; "*" gives up. */
static int
exchange(struct login *l, struct span challenge, struct text *response)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    line = {0};
	struct manage_command   answer = {.count = 0};
	struct fault            why = {0};

	text_add_byte(&line, '"');
	base64_encode(challenge, &line);
	text_add(&line, SPAN("\"\r\n"));
	if (conn_write(l->conn, text_span(&line), NULL) < 0 || read_words(l->conn, arena, &answer, &why) < 0)
		return -1;
	if (answer.count != 1 || answer.words[0].kind != MANAGE_STRING || span_is(answer.words[0].text, "*"))
		return 1;
	return base64_decode(answer.words[0].text, response, NULL) < 0 ? 1 : 0;
}

static void
do_authenticate(struct dialogue *d)
{
	autotext struct text decoded = {0};
	struct span          initial, mechanism = d->command.words[1].text;
	bool                 has_initial = d->command.count > 2;

	if (has_initial && !span_is(d->command.words[2].text, "=") && base64_decode(d->command.words[2].text, &decoded, NULL) < 0) {
		say(d, "NO \"Invalid base64 data in initial response.\"");
		return;
	}
	initial = text_span(&decoded);
	judge(d, login_sasl(d->l, mechanism, has_initial ? &initial : NULL, exchange));
}

static void
end(struct dialogue *d, const char *words)
{
	say(d, "BYE \"%s\"", words);
	d->over = true;
}

/* Dovecot's: a proxy that is trusted says for whom it speaks, in words as POP3's. */
static void
do_xclient(struct dialogue *d)
{
	struct told  told = {0};
	struct fault why = {0};
	int          outcome = 0;

	for (size_t i = 1; i < d->command.count && outcome == 0; i++)
		outcome = told_xclient(d->command.words[i].text, &told, &why);
	if (outcome < 0)
		told_no_client(&told);
	if (outcome < 0 && d->l->trusted) {
		say(d, "NO \"Invalid parameters: %s\"", fault_text(&why));
		return;
	}
	switch (login_tell(d->l, &told)) {
	case TELLING_TAKEN:
		say(d, "OK \"Updated\"");
		break;
	case TELLING_STRANGER:
		say(d, "NO \"You are not from a trusted address\"");
		break;
	case TELLING_AGAIN:
		end(d, TELLING_AGAIN_WORDS);
		break;
	case TELLING_TOO_MANY:
		end(d, d->l->end);
	}
}

static const struct verb {
	const char *name, *section;
	size_t      least, most;             /* strings behind it; without a section (Dovecot's) atoms, too */
	void      (*run)(struct dialogue *);
} verbs[] = {
	{"AUTHENTICATE", "RFC 5804, 2.1", 1, 2, do_authenticate}, {"STARTTLS", "RFC 5804, 2.2", 0, 0, do_starttls},
	{"LOGOUT", "RFC 5804, 2.3", 0, 0, do_logout}, {"CAPABILITY", "RFC 5804, 2.4", 0, 0, do_capability},
	{"NOOP", "RFC 5804, 2.13", 0, 1, do_noop}, {"XCLIENT", NULL, 0, MANAGE_WORDS_MAX, do_xclient},
};

static void
refuse(struct dialogue *d, const char *what)
{
	if (++d->l->bad_commands >= LOGIN_BAD_MAX) {
		d->l->end = "Too many invalid commands";
		d->over = true;
		say(d, "BYE \"Too many invalid MANAGESIEVE commands.\"");
		return;
	}
	say(d, "NO \"%s\"", what);
}

static void
run(struct dialogue *d)
{
	const struct manage_command *c = &d->command;
	bool                         strings = true;

	for (size_t i = 1; i < c->count; i++)
		strings = strings && c->words[i].kind == MANAGE_STRING;
	for (size_t i = 0; c->count && i < COUNT(verbs); i++)
		if (c->words[0].kind == MANAGE_ATOM && span_is_nocase(c->words[0].text, verbs[i].name)) {
			if ((strings || !verbs[i].section) && c->count - 1 >= verbs[i].least && c->count - 1 <= verbs[i].most)
				verbs[i].run(d);
			else
				refuse(d, "Invalid arguments.");
			return;
		}
	refuse(d, "Error in MANAGESIEVE command: Unknown command, or not before login.");
}

static void
step(struct dialogue *d)
{
	struct fault why = {0};
	int          got;

	if (conn_bytes_in(d->l->conn) > LOGIN_INPUT_MAX) {
		d->l->end = "Too much input before login";
		d->over = true;
		return;
	}
	got = read_words(d->l->conn, d->arena, &d->command, &why);
	if (got == 0) {
		run(d);
	} else if (got == 1) {
		refuse(d, fault_text(&why));
	} else {
		if (why.class == FAULT_TIME) {
			say(d, "BYE \"Disconnected for inactivity during authentication.\"");
			d->l->end = "Inactivity during authentication";
		}
		d->over = true;
	}
}

static void
serve(int fd, const struct listener *unused)
{
	struct dialogue d = {.l = login_start(fd)};

	(void)unused;
	if (!d.l)
		return;
	tell_capabilities(&d, "Postern ready.");
	while (!d.over) {
		d.arena = arena_new();
		step(&d);
		arena_reset(d.arena);          /* wiped: it may have held a password */
		arena_free(d.arena);
	}
	login_end(d.l);
}

static int
prepare(struct fault *why)
{
	return login_prepare("managesieve", why);
}

static const char *const asks[] = {"authd", "anvil", "managesieve", NULL};

static const struct service managesieve_login = {
	.name = "managesieve-login",
	.about = "ManageSieve before login, and TLS for the whole session",
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
	return service_run(&managesieve_login, argc, argv);
}
