/* SPDX-License-Identifier: ISC */
/*
 * managesieve.c - a user's Sieve scripts over the network, as that user, behind managesieve-login (RFC 5804)
 *
 * A script is checked before it is stored, by the same code that runs it at delivery.  The process is
 * confined to the directory of scripts and to the one where the link to the active script lies.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "manage_store.h"
#include "manage_words.h"
#include "service/mailbox.h"
#include "service/sandbox.h"
#include "service/service.h"

enum { LINE_BYTES = 8192, BAD_MAX = 20, COMMAND_MS = 60000 };

static struct { int64_t timeout; const char *url; } config;

static const struct param params[] = {
	DURATION("managesieve_timeout", &config.timeout, "30m", "1m", "24h", "how long a client may be silent"),
	RAW("imapsieve_url", &config.url, "", "where it is set scripts may be for IMAP events, too (imapsieve)"),
	SIEVE_ROWS,
	END_OF_PARAMS
};

struct session {
	struct conn           *conn;
	const struct auth_user *user;
	struct arena          *arena;          /* of one command */
	struct sieve_place     place;
	struct sieve_limits    limits;
	struct manage_command  command;
	int                    bad;
	bool                   over;
	const char            *end;
};

static void say(struct session *, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct session *s, const char *format, ...)
{
	autotext struct text line = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&line, format, args);
	va_end(args);
	text_add(&line, SPAN("\r\n"));
	if (conn_write(s->conn, text_span(&line), NULL) < 0)
		s->over = true;
}

/* NO (CODE) "text": the text may be of several lines */
static void
refuse(struct session *s, const char *code, struct span text)
{
	autotext struct text quoted = {0};

	manage_add_string(text, &quoted);
	say(s, "NO %s%s%s%.*s", code ? "(" : "", code ? code : "", code ? ") " : "", SPAN_ARGS(text_span(&quoted)));
}

static void
refuse_fault(struct session *s, const struct fault *why)
{
	if (why->error == ENOENT) {
		refuse(s, "NONEXISTENT", SPAN("Script does not exist."));
	} else if (why->error == EEXIST) {
		refuse(s, "ALREADYEXISTS", SPAN("A script of that name exists already."));
	} else if (why->error == EDQUOT || why->error == ENOSPC) {
		refuse(s, "QUOTA", SPAN("There is no room for it."));
	} else {
		log_error("managesieve(%s): %s", s->user->user, fault_text(why));
		refuse(s, "TRYLATER", SPAN("Internal error occurred. Refer to server log for more information."));
	}
}

/* Commands.  Arguments have the kinds that the table says. */

static struct span
argument(const struct session *s, size_t n)
{
	return s->command.words[n].text;
}

static bool
name_is_valid(struct session *s, struct span name)
{
	if (sieve_name_valid(name))
		return true;
	refuse(s, NULL, SPAN("Invalid script name."));
	return false;
}

static void
do_capability(struct session *s)
{
	autotext struct text names = {0}, owner = {0};

	sieve_capabilities(s->limits.extensions, &names);
	manage_add_string(span_of(s->user->user), &owner);
	say(s, "\"IMPLEMENTATION\" \"Postern\"\r\n\"SIEVE\" \"%s\"\r\n\"NOTIFY\" \"mailto\"\r\n\"SASL\" \"\"\r\n\"MAXREDIRECTS\" \"%d\"\r\n\"OWNER\" %.*s\r\n\"VERSION\" \"1.0\"\r\n"
	    "OK \"Capability completed.\"", text_string(&names), sieve_settings.redirects, SPAN_ARGS(text_span(&owner)));
}

/* True when the script fits beside the others (RFC 5804, 2.5). */
static bool
has_room(struct session *s, struct span name, uint64_t size)
{
	struct manage_script *list = NULL;
	size_t                count = 0, others = 0;
	uint64_t              total = size;
	struct fault          why = {0};

	if (size > (uint64_t)sieve_settings.script_size) {
		refuse(s, "QUOTA/MAXSIZE", SPAN("Script is too large."));
		return false;
	}
	if (scripts_list(s->arena, &s->place, &list, &count, &why) < 0) {
		refuse_fault(s, &why);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (!span_equal(list[i].name, name)) {
			others++;
			total += list[i].size;
		}
	if (sieve_settings.quota_scripts && others + 1 > (size_t)sieve_settings.quota_scripts) {
		refuse(s, "QUOTA/MAXSCRIPTS", SPAN("Too many scripts."));
		return false;
	}
	if (sieve_settings.quota_storage && total > (uint64_t)sieve_settings.quota_storage) {
		refuse(s, "QUOTA/MAXSIZE", SPAN("Scripts would take too much room."));
		return false;
	}
	return true;
}

static void
do_havespace(struct session *s)
{
	if (name_is_valid(s, argument(s, 1)) && has_room(s, argument(s, 1), s->command.words[2].number))
		say(s, "OK \"Putscript would succeed.\"");
}

/* *warnings: what the script will not do, or empty. */
static bool
script_is_sound(struct session *s, const char *name, struct span text, struct text *warnings)
{
	struct sieve_script *script;
	struct fault         why = {0};

	if (sieve_compile(s->arena, text, name, NULL, &s->limits, &script, &why) == 0) {
		const char *one;

		for (size_t i = 0; (one = sieve_warning(script, i)) != NULL; i++)
			text_add_format(warnings, "%s%s: %s", i ? "\r\n" : "", name, one);
		return true;
	}
	refuse(s, NULL, span_of(arena_format(s->arena, "%s: %s", name, fault_text(&why))));
	return false;
}

/* RFC 5804, 1.3: warnings come with success. */
static void
say_done(struct session *s, const struct text *warnings, const char *what)
{
	autotext struct text quoted = {0};

	if (!warnings->len) {
		say(s, "OK \"%s\"", what);
		return;
	}
	manage_add_string(text_span(warnings), &quoted);
	say(s, "OK (WARNINGS) %.*s", SPAN_ARGS(text_span(&quoted)));
}

static void
do_putscript(struct session *s)
{
	struct span          name = argument(s, 1), text = argument(s, 2);
	autotext struct text warnings = {0};
	struct fault         why = {0};

	if (!name_is_valid(s, name) || !has_room(s, name, text.len) ||
	    !script_is_sound(s, arena_string(s->arena, name), text, &warnings))
		return;
	if (scripts_write(&s->place, name, text, &why) < 0)
		refuse_fault(s, &why);
	else
		say_done(s, &warnings, "PUTSCRIPT completed.");
}

static void
do_checkscript(struct session *s)
{
	autotext struct text warnings = {0};

	if (argument(s, 1).len > (size_t)sieve_settings.script_size)
		refuse(s, "QUOTA/MAXSIZE", SPAN("Script is too large."));
	else if (script_is_sound(s, "script", argument(s, 1), &warnings))
		say_done(s, &warnings, "Script checked successfully.");
}

static void
do_listscripts(struct session *s)
{
	struct manage_script *list = NULL;
	size_t                count = 0;
	struct fault          why = {0};

	if (scripts_list(s->arena, &s->place, &list, &count, &why) < 0) {
		refuse_fault(s, &why);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		autotext struct text quoted = {0};

		manage_add_string(list[i].name, &quoted);
		say(s, "%.*s%s", SPAN_ARGS(text_span(&quoted)), list[i].active ? " ACTIVE" : "");
	}
	say(s, "OK \"Listscripts completed.\"");
}

static void
do_getscript(struct session *s)
{
	autotext struct text text = {0}, out = {0};
	struct fault         why = {0};

	if (!name_is_valid(s, argument(s, 1)))
		return;
	if (scripts_read(&s->place, argument(s, 1), &text, &why) < 0) {
		refuse_fault(s, &why);
		return;
	}
	text_add_format(&out, "{%zu}\r\n", text.len);
	text_add(&out, text_span(&text));
	text_add(&out, SPAN("\r\nOK \"Getscript completed.\"\r\n"));
	if (conn_write(s->conn, text_span(&out), NULL) < 0)
		s->over = true;
}

static void
do_setactive(struct session *s)
{
	autotext struct text text = {0}, warnings = {0};
	struct span          name = argument(s, 1);
	struct fault         why = {0};

	if (name.len && !name_is_valid(s, name))
		return;
	/* a script that was put there by other ways may be bad */
	if (name.len && scripts_read(&s->place, name, &text, &why) < 0) {
		refuse_fault(s, &why);
		return;
	}
	if (name.len && !script_is_sound(s, arena_string(s->arena, name), text_span(&text), &warnings))
		return;
	if (scripts_is_default(&s->place, name))       /* it is what comes when none is active */
		name = SPAN_NONE;
	if (scripts_activate(&s->place, name, &why) < 0)
		refuse_fault(s, &why);
	else
		say_done(s, &warnings, "Setactive completed.");
}

static void
do_deletescript(struct session *s)
{
	struct fault why = {0};

	if (!name_is_valid(s, argument(s, 1)))
		return;
	if (scripts_exists(&s->place, argument(s, 1)) && scripts_is_active(&s->place, argument(s, 1)))
		refuse(s, "ACTIVE", SPAN("You cannot delete an active script."));
	else if (scripts_delete(&s->place, argument(s, 1), &why) < 0)
		refuse_fault(s, &why);
	else
		say(s, "OK \"Deletescript completed.\"");
}

static void
do_renamescript(struct session *s)
{
	struct fault why = {0};

	if (!name_is_valid(s, argument(s, 1)) || !name_is_valid(s, argument(s, 2)))
		return;
	if (scripts_rename(&s->place, argument(s, 1), argument(s, 2), &why) < 0)
		refuse_fault(s, &why);
	else
		say(s, "OK \"Renamescript completed.\"");
}

static void
do_noop(struct session *s)
{
	autotext struct text quoted = {0};

	if (s->command.count < 2) {
		say(s, "OK \"NOOP completed.\"");
		return;
	}
	manage_add_string(argument(s, 1), &quoted);
	say(s, "OK (TAG %.*s) \"Done.\"", SPAN_ARGS(text_span(&quoted)));
}

static void
do_logout(struct session *s)
{
	say(s, "OK \"Logout completed.\"");
	s->end = "Logged out";
	s->over = true;
}

static void
do_too_late(struct session *s)
{
	refuse(s, NULL, SPAN("Already logged in."));
}

static const struct verb {
	const char *name, *section;
	const char *kinds;           /* of arguments: s string, n number; '?' behind: may be missing */
	void      (*run)(struct session *);
} verbs[] = {
	{"AUTHENTICATE", "RFC 5804, 2.1",  NULL, do_too_late},    {"STARTTLS", "RFC 5804, 2.2", NULL, do_too_late},
	{"LOGOUT",       "RFC 5804, 2.3",  "",   do_logout},      {"CAPABILITY", "RFC 5804, 2.4", "", do_capability},
	{"HAVESPACE",    "RFC 5804, 2.5",  "sn", do_havespace},   {"PUTSCRIPT", "RFC 5804, 2.6", "ss", do_putscript},
	{"LISTSCRIPTS",  "RFC 5804, 2.7",  "",   do_listscripts}, {"SETACTIVE", "RFC 5804, 2.8", "s", do_setactive},
	{"GETSCRIPT",    "RFC 5804, 2.9",  "s",  do_getscript},   {"DELETESCRIPT", "RFC 5804, 2.10", "s", do_deletescript},
	{"RENAMESCRIPT", "RFC 5804, 2.11", "ss", do_renamescript}, {"CHECKSCRIPT", "RFC 5804, 2.12", "s", do_checkscript},
	{"NOOP",         "RFC 5804, 2.13", "s?", do_noop},
};

static bool
arguments_fit(const struct manage_command *c, const char *kinds)
{
	size_t n = 1;

	for (; kinds && *kinds; kinds++, n++) {
		bool optional = kinds[1] == '?';

		if (n >= c->count)
			return optional;
		if (c->words[n].kind != (*kinds == 'n' ? MANAGE_NUMBER : MANAGE_STRING))
			return false;
		kinds += optional;
	}
	return !kinds || n == c->count;
}

static void
run(struct session *s)
{
	for (size_t i = 0; s->command.count && i < COUNT(verbs); i++) {
		if (s->command.words[0].kind != MANAGE_ATOM || !span_is_nocase(s->command.words[0].text, verbs[i].name))
			continue;
		if (arguments_fit(&s->command, verbs[i].kinds))
			verbs[i].run(s);
		else
			refuse(s, NULL, span_of(arena_format(s->arena, "%s: invalid arguments.", verbs[i].name)));
		return;
	}
	if (++s->bad >= BAD_MAX) {
		say(s, "BYE \"Too many invalid MANAGESIEVE commands.\"");
		s->end = "Too many invalid commands";
		s->over = true;
		return;
	}
	refuse(s, NULL, SPAN("Error in MANAGESIEVE command: Unknown command."));
}

/* A literal: 0, -1 lost.  One that is too large is read and forgotten: the dialogue goes on. */
static int
read_literal(struct session *s, int64_t size, struct span *out, bool *too_large, struct fault *why)
{
	autotext struct text text = {0};
	struct span          part;

	*too_large = size > sieve_settings.script_size + 1024;
	while (size > 0) {
		if (conn_some(s->conn, size < 65536 ? (size_t)size : 65536, &part, why) < 0)
			return -1;
		size -= (int64_t)part.len;
		if (!*too_large)
			text_add(&text, part);
	}
	*out = arena_span(s->arena, text_span(&text));
	return 0;
}

/* 1 a command, 0 it was refused, -1 the client is gone */
static int
next_command(struct session *s)
{
	struct fault why = {0};
	struct span  line;
	int64_t      literal;
	bool         too_large = false, any = false;

	s->command.count = 0;
	conn_deadline(s->conn, clock_after(config.timeout));
	for (;;) {
		if (conn_line(s->conn, LINE_BYTES, &line, NULL, &why) < 0) {
			if (why.class == FAULT_TIME)
				s->end = "Disconnected for inactivity";
			if (why.class == FAULT_TIME || why.class == FAULT_INPUT)
				say(s, "BYE \"%s\"", why.class == FAULT_TIME ? "Disconnected for inactivity." : "Line is too long.");
			return -1;
		}
		if (manage_words(s->arena, arena_span(s->arena, line), &s->command, &literal, &why) < 0) {
			refuse(s, NULL, span_of(fault_text(&why)));
			s->over = ++s->bad >= BAD_MAX;
			return 0;
		}
		if (literal < 0)
			break;
		struct manage_word w = {.kind = MANAGE_STRING};

		any = any || too_large;
		if (read_literal(s, literal, &w.text, &too_large, &why) < 0)
			return -1;
		any = any || too_large;
		if (s->command.count == MANAGE_WORDS_MAX) {
			say(s, "BYE \"Too many arguments.\"");
			return -1;
		}
		s->command.words[s->command.count++] = w;
	}
	if (any) {
		refuse(s, "QUOTA/MAXSIZE", SPAN("Script is too large."));
		return 0;
	}
	return 1;
}

static void
serve_user(const struct mailbox_session *from)
{
	struct session s = {.conn = from->conn, .user = &from->user, .end = "Connection closed"};
	struct fault   why = {0};
	const struct sieve_user user = {span_of(from->user.user), span_of(from->user.home)};

	sieve_settings_limits(&s.limits);
	if (*config.url)
		s.limits.extensions |= sieve_imap_extensions();
	if (sieve_place(&user, &s.place, &why) < 0)
		return;
	say(&s, "OK \"Logged in.\"");
	while (!s.over) {
		s.arena = arena_new();
		int got = next_command(&s);

		if (got > 0)
			run(&s);
		if (got < 0)
			s.over = true;
		arena_free(s.arena);
	}
	conn_flush(s.conn, NULL);
	log_info("managesieve(%s)<%s>: Disconnected: %s", from->user.user, from->session, s.end);
	sieve_place_free(&s.place);
}

/* To the scripts and to where the link lies; both are made as the user. */
static int
confine(void *unused, const struct auth_user *u, int authd, struct fault *why)
{
	const struct sieve_user user = {span_of(u->user), span_of(u->home)};
	struct sieve_place      place = {0};
	autotext struct text    home = {0};
	const char             *paths[3] = {NULL, NULL, NULL}, *reads[4] = {NULL, NULL, NULL, NULL};
	struct sandbox          box = {.promises = MAY_READ | MAY_WRITE, .reads = reads, .writes = paths};
	int                     done = -1;
	ptrdiff_t               slash;

	(void)unused;
	(void)authd;
	sieve_settings_own(span_of(u->sieve));
	if (sieve_place(&user, &place, why) < 0)
		return -1;
	if (!place.directory.len) {
		sieve_place_free(&place);
		return fault_set(why, FAULT_DENIED, "sieve = %s names no directory of scripts", sieve_settings.location);
	}
	slash = span_find_last(text_span(&place.active), '/');
	text_set(&home, slash <= 0 ? SPAN("/") : span_first(text_span(&place.active), (size_t)slash));
	paths[0] = text_string(&place.directory);
	paths[1] = text_string(&home);
	reads[0] = paths[0];
	reads[1] = paths[1];
	if (place.fallback.len && access(text_string(&place.fallback), R_OK) == 0)
		reads[2] = text_string(&place.fallback);
	if (file_make_directories(paths[0], 0700, why) == 0 && file_make_directories(paths[1], 0700, why) == 0)
		done = sandbox_close(&box, why);
	sieve_place_free(&place);
	return done;
}

static void
serve(int sock, const struct listener *unused)
{
	struct mailbox_session s;
	struct fault           why = {0};

	(void)unused;
	if (mailbox_receive_confined(sock, confine, NULL, &s, &why) < 0)
		return;
	close(s.control);
	close(s.limits);
	serve_user(&s);
	conn_free(s.conn);
}

static int
prepare(struct fault *why)
{
	(void)why;
	sieve_settings_check();
	log_rename("dovecot");
	return 0;
}

static const char *const asks[] = {"authd", NULL};

static const struct service managesieve = {
	.name = "managesieve",
	.about = "one user's Sieve scripts, as that user",
	.role = ROLE_ROOT,
	.model = SERVE_FORKS,
	.asks = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_FORK | MAY_BECOME | MAY_READ | MAY_WRITE,
	.params = params,
	.tasks = "1",
	.prepare = prepare,
	.serve = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&managesieve, argc, argv);
}
