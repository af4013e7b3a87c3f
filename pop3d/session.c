/* SPDX-License-Identifier: ISC */
/*
 * session.c - POP3 after login (RFC 1939; UIDL and TOP; CAPA of RFC 2449; LANG of RFC 6856)
 */
#include "session.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/line.h"
#include "store/lazy.h"
#include "store/quota.h"
#include "expire.h"
#include "uidl.h"

enum { LINE_MAX_BYTES = 255, BAD_MAX = 20, WIRE_MOST = 65536 };

struct pop3_config pop3_config;

const struct param pop3_params[] = {
	RAW("pop3_uidl_format", &pop3_config.uidl_format, "%08Xu%08Xv", "unique ids: %u UID, %v UIDVALIDITY, %f file name, %g GUID; %08Xu in hex; %{uid | hex(8)}"),
	BOOLEAN("pop3_no_flag_updates", &pop3_config.no_flag_updates, "no", "RETR does not set \\Seen"),
	BOOLEAN("pop3_lock_session", &pop3_config.lock_session, "no", "one POP3 session of a mailbox at a time; a second one waits 5 s and is refused"),
	BOOLEAN("pop3_reuse_xuidl", &pop3_config.reuse_xuidl, "no", "a header X-UIDL is the unique id of a message that has no other"),
	BOOLEAN("pop3_save_uidl", &pop3_config.save_uidl, "no", "unique ids that clients were told are kept in dovecot-uidlist (field P)"),
	BOOLEAN("pop3_fast_size_lookups", &pop3_config.fast_size_lookups, "no", "a message whose size with CRLF is not known has that of its file (against RFC 1939)"),
	RAW("pop3_deleted_flag", &pop3_config.deleted_flag, "", "DELE sets this keyword instead of removing; messages that have it are not shown; \"\": they are removed"),
	DURATION("pop3_login_delay", &pop3_config.login_delay, "0s", "0s", "24h", "least time between two logins of a user (RFC 2449, 6.5: LOGIN-DELAY)"),
	POP3_EXPIRE_ROW(&pop3_config.expire),
	POP3_UTF8_ROWS(&pop3_config.utf8),
	DURATION("pop3_timeout", &pop3_config.timeout, "10m", "1m", "24h", "how long a client may be silent (RFC 1939, 3)"),
	QUOTA_ROWS,
	LAZY_ROWS,
	END_OF_PARAMS
};

int
pop3_config_check(struct fault *why)
{
	autotext struct text t = {0};

	if (!uidl_format(pop3_config.uidl_format, &(struct uidl_values){1, 1, SPAN("x"), SPAN("y")}, &t))
		return fault_set(why, FAULT_INPUT, "pop3_uidl_format: %s is not supported", pop3_config.uidl_format);
	for (const char *c = pop3_config.deleted_flag; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("(){%*\"\\]", *c))
			return fault_set(why, FAULT_INPUT, "pop3_deleted_flag: %s is no keyword", pop3_config.deleted_flag);
	if (quota_settings_check(&quota_settings, why) < 0)
		return -1;
	if (pop3_expire_check(pop3_config.expire, why) < 0)
		return -1;
	return lazy_settings_check(&lazy_settings, why);
}

struct session {
	const struct pop3_user *user;
	struct conn            *conn;
	struct drop             drop;
	struct text             wire;      /* what was said, and is not on its way yet */
	bool                    over;
	const char             *end;
	struct fault            lost;      /* what `end` says, if it was that */
	int                     bad;
	size_t                  tops, retrs, deleted;
	uint64_t                top_bytes, retr_bytes;
};

static void
say(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Answers to commands that came together leave together: each write is another turn of the login program's loop. */
static int
push(struct session *s, struct fault *why)
{
	int result;

	if (!s->wire.len)
		return 0;
	conn_deadline(s->conn, clock_after(pop3_config.timeout));
	result = conn_write(s->conn, text_span(&s->wire), why);
	text_clear(&s->wire);
	if (s->wire.room > 8 * WIRE_MOST) /* lines of a dot, a surrogate */
		text_free(&s->wire);
	return result;
}

static int
push_much(struct session *s, struct fault *why)
{
	return s->wire.len < WIRE_MOST ? 0 : push(s, why);
}

static void
say(struct session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_add_args(&s->wire, format, args);
	va_end(args);
	text_add(&s->wire, SPAN("\r\n"));
	if (push_much(s, NULL) < 0)
		s->over = true;
}

/* ------------------------------------------------------------ arguments */

static struct drop_message *
message_of(struct session *s, struct span argument)
{
	uint64_t n;

	if (!span_number(argument, &n)) {
		say(s, "-ERR Invalid message number: %.*s", (int)(argument.len < 20 ? argument.len : 20), argument.at);
	} else if (n == 0 || n > s->drop.count) {
		say(s, "-ERR There's no message %llu.", (unsigned long long)n);
	} else if (s->drop.messages[n - 1].deleted) {
		say(s, "-ERR Message is deleted.");
	} else {
		return &s->drop.messages[n - 1];
	}
	return NULL;
}

static size_t
number_of(const struct session *s, const struct drop_message *m)
{
	return (size_t)(m - s->drop.messages) + 1;
}

static void
totals(const struct session *s, size_t *count, uint64_t *size)
{
	*count = 0;
	*size = 0;
	for (size_t i = 0; i < s->drop.count; i++)
		if (!s->drop.messages[i].deleted) {
			++*count;
			*size += s->drop.messages[i].size;
		}
}

/* ------------------------------------------------------------ commands */

static void
do_capa(struct session *s, struct span unused)
{
	autotext struct text international = {0};

	(void)unused;
	language_capabilities(&pop3_config.utf8, &international);
	say(s, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n%s", text_string(&international));
	if (pop3_config.expire)
		say(s, "EXPIRE %lld", (long long)pop3_config.expire / POP3_DAY_MS);
	else
		say(s, "EXPIRE NEVER");
	if (pop3_config.login_delay)
		say(s, "LOGIN-DELAY %lld", (long long)pop3_config.login_delay / 1000);
	say(s, "%sIMPLEMENTATION Postern\r\n.", s->user->capabilities);
}

/* False: it was said why not. */
static bool
know_sizes(struct session *s, struct drop_message *m)
{
	struct fault why = {0};

	if ((m ? drop_size(&s->drop, m, &why) : drop_look_all(&s->drop, &why)) == 0)
		return true;
	log_error("pop3(%s)<%s>: %s", s->user->name, s->user->session, fault_text(&why));
	say(s, "-ERR [SYS/TEMP] Sizes cannot be told now.");
	return false;
}

static void
do_stat(struct session *s, struct span unused)
{
	size_t   count;
	uint64_t size;

	(void)unused;
	if (!know_sizes(s, NULL))
		return;
	totals(s, &count, &size);
	say(s, "+OK %zu %llu", count, (unsigned long long)size);
}

static void
do_list(struct session *s, struct span argument)
{
	struct drop_message *m;
	size_t               count;
	uint64_t             size;

	if (argument.len) {
		if ((m = message_of(s, argument)) && know_sizes(s, m))
			say(s, "+OK %zu %llu", number_of(s, m), (unsigned long long)m->size);
		return;
	}
	if (!know_sizes(s, NULL))
		return;
	totals(s, &count, &size);
	say(s, "+OK %zu messages:", count);
	for (size_t i = 0; i < s->drop.count; i++)
		if (!s->drop.messages[i].deleted)
			say(s, "%zu %llu", i + 1, (unsigned long long)s->drop.messages[i].size);
	say(s, ".");
}

static void
say_uidl(struct session *s, const char *before, const struct drop_message *m)
{
	autotext struct text id = {0};

	drop_uidl(&s->drop, m, &id);
	say(s, "%s%zu %s", before, number_of(s, m), text_string(&id));
}

static void
do_uidl(struct session *s, struct span argument)
{
	struct drop_message *m;

	if (argument.len) {
		if ((m = message_of(s, argument)))
			say_uidl(s, "+OK ", m);
		return;
	}
	say(s, "+OK");
	for (size_t i = 0; i < s->drop.count; i++)
		if (!s->drop.messages[i].deleted)
			say_uidl(s, "", &s->drop.messages[i]);
	say(s, ".");
}

/* How many bytes of `part` belong to a TOP of `body` lines: *in_body says where we are. */
static size_t
cut_top(struct span part, bool *in_body, bool *line_start, uint64_t *lines)
{
	for (size_t i = 0; i < part.len; i++) {
		if (*in_body && *lines == 0)
			return i;
		if (part.at[i] == '\n') {
			if (*in_body)
				--*lines;
			else if (*line_start)
				*in_body = true;
			*line_start = true;
		} else if (part.at[i] != '\r') {
			*line_start = false;
		}
	}
	return part.len;
}

/* The content with CRLF and doubled dots, then the end; -1 after the +OK ends the session. */
static int
send_content(struct session *s, struct content *c, bool top, uint64_t lines, struct fault *why)
{
	struct line_encoder e;
	struct span         part;
	bool                in_body = false, line_start = true;
	int                 got;

	line_encoder_start(&e, true, 0);
	e.keep_cr = true;
	while ((got = content_next(c, &part, why)) == 1) {
		size_t use = top ? cut_top(part, &in_body, &line_start, &lines) : part.len;

		line_encode(&e, span_first(part, use), &s->wire);
		if (push_much(s, why) < 0)
			return -1;
		if (use < part.len)
			break;
	}
	if (got < 0)
		return -1;
	line_encode_end(&e, &s->wire);
	*(top ? &s->top_bytes : &s->retr_bytes) += e.bytes;
	return push_much(s, why);
}

/* Whether all of it was sent. */
static bool
send_message(struct session *s, struct drop_message *m, bool top, uint64_t lines)
{
	struct content c;

	if (drop_read(&s->drop, m, NULL) < 0 || drop_look(&s->drop, m, NULL) < 0) {
		say(s, "-ERR [SYS/TEMP] The message cannot be read.");
		return false;
	}
	if (top)
		say(s, "+OK");
	else
		say(s, "+OK %llu octets", (unsigned long long)m->size);
	content_start(&c, &s->drop.source, m->surrogate);
	if (send_content(s, &c, top, lines, &s->lost) < 0) {
		s->end = fault_text(&s->lost);
		s->over = true;
	}
	content_free(&c);
	return !s->over;
}

static void
do_retr(struct session *s, struct span argument)
{
	struct drop_message *m = message_of(s, argument);

	if (!m || !send_message(s, m, false, 0))
		return;
	m->seen = true;
	s->retrs++;
}

static void
do_top(struct session *s, struct span argument)
{
	struct span          number;
	struct drop_message *m;
	uint64_t             lines;

	span_next(&argument, " ", &number);
	if (!span_number(span_trim(argument), &lines)) {
		say(s, "-ERR Missing or wrong line count.");
		return;
	}
	if (!(m = message_of(s, number)))
		return;
	if (send_message(s, m, true, lines))
		s->tops++;
}

static void
do_dele(struct session *s, struct span argument)
{
	struct drop_message *m = message_of(s, argument);

	if (!m)
		return;
	m->deleted = true;
	say(s, "+OK Marked to be deleted.");
}

static void
do_rset(struct session *s, struct span unused)
{
	(void)unused;
	for (size_t i = 0; i < s->drop.count; i++)
		s->drop.messages[i].deleted = false;
	say(s, "+OK");
}

static void
do_lang(struct session *s, struct span argument)
{
	autotext struct text answer = {0};

	language_answer(argument, &answer);
	say(s, "%s", text_string(&answer));
}

/* RFC 6856, 2: what it changes was settled when the mailbox was opened. */
static void
do_utf8(struct session *s, struct span unused)
{
	(void)unused;
	say(s, pop3_config.utf8.enable ? "-ERR UTF8 is said before login." : "-ERR UTF8 is not enabled.");
}

static void
do_noop(struct session *s, struct span unused)
{
	(void)unused;
	say(s, "+OK");
}

/* RFC 1939, 6: UPDATE. When something could not be removed the client must know. */
static void
do_quit(struct session *s, struct span unused)
{
	struct fault why = {0};

	(void)unused;
	s->over = true;
	if (push(s, &why) < 0 || conn_flush(s->conn, &why) < 0) /* nothing goes before the client could have it */
		return;
	s->end = "Logged out";
	if (drop_update(&s->drop, &s->deleted, &why) < 0) {
		log_error("pop3(%s)<%s>: %s", s->user->name, s->user->session, fault_text(&why));
		say(s, "-ERR [SYS/TEMP] Some deleted messages could not be removed.");
	} else {
		say(s, s->deleted ? "+OK Logging out, messages deleted." : "+OK Logging out.");
	}
}

static const struct verb {
	const char *name, *section;
	bool        needs_argument, may_have_one;
	void      (*run)(struct session *, struct span);
} verbs[] = {
	{"CAPA", "RFC 2449, 5", false, false, do_capa},
	{"STAT", "5",           false, false, do_stat},
	{"LIST", "5",           false, true,  do_list},
	{"RETR", "5",           true,  true,  do_retr},
	{"DELE", "5",           true,  true,  do_dele},
	{"NOOP", "5",           false, false, do_noop},
	{"RSET", "5",           false, false, do_rset},
	{"TOP",  "7",           true,  true,  do_top},
	{"UIDL", "7",           false, true,  do_uidl},
	{"LANG", "RFC 6856, 3", false, true,  do_lang},
	{"UTF8", "RFC 6856, 2", false, false, do_utf8},
	{"QUIT", "6",           false, false, do_quit},
};

static void
run(struct session *s, struct span line)
{
	struct span verb;

	span_next(&line, " ", &verb);
	line = span_trim(line);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (!span_is_nocase(verb, v->name))
			continue;
		if ((v->needs_argument && !line.len) || (!v->may_have_one && line.len))
			say(s, "-ERR %s", line.len ? "Too many arguments." : "Missing argument.");
		else
			v->run(s, line);
		return;
	}
	say(s, "-ERR Unknown command.");
	if (++s->bad >= BAD_MAX) {
		s->end = "Too many bad commands";
		s->over = true;
	}
}

static bool
next_line(struct session *s, struct span *line)
{
	struct fault why = {0};

	if (!span_has(conn_peek(s->conn), '\n') && push(s, &why) < 0)
		return false;
	conn_deadline(s->conn, clock_after(pop3_config.timeout));
	if (conn_line(s->conn, LINE_MAX_BYTES, line, NULL, &why) == 0)
		return true;
	if (why.class == FAULT_TIME)
		say(s, "-ERR Disconnected for inactivity.");
	else if (why.class == FAULT_INPUT)
		say(s, "-ERR Command line too long.");
	s->end = why.class == FAULT_TIME ? "Disconnected for inactivity" : "Connection closed";
	return false;
}

static void
finish(struct session *s)
{
	push(s, NULL);
	conn_deadline(s->conn, clock_after(pop3_config.timeout));
	conn_flush(s->conn, NULL);
	text_free(&s->wire);
}

static uint64_t
all_sizes(const struct session *s)
{
	uint64_t size = 0;

	for (size_t i = 0; i < s->drop.count; i++)
		size += s->drop.messages[i].size;
	return size;
}

int
pop3_session(const struct pop3_user *u, struct conn *c, struct fault *why)
{
	struct session s = {.user = u, .conn = c, .end = "Connection closed"};
	struct span    line;

	if (drop_open(u, &s.drop, why) < 0) {
		bool in_use = pop3_config.lock_session && why->class == FAULT_TIME;

		say(&s, in_use ? "-ERR [IN-USE] Mailbox is locked by another POP3 session."
			: why->class == FAULT_DENIED ? "-ERR [LOGIN-DELAY] It is too early to look for mail again."
			: "-ERR [SYS/TEMP] Couldn't open INBOX.");
		finish(&s);
		return -1;
	}
	say(&s, "+OK Logged in.");
	while (!s.over && next_line(&s, &line)) {
		dotlock_touch(&s.drop.lock);
		run(&s, line);
	}
	if (strcmp(s.end, "Logged out") != 0 && drop_mark_seen(&s.drop, why) < 0)
		log_error("pop3(%s)<%s>: %s", u->name, u->session, fault_text(why));
	finish(&s);
	log_info("pop3(%s)<%s>: Disconnected: %s top=%zu/%llu, retr=%zu/%llu, del=%zu/%zu, size=%llu", u->name, u->session,
	         s.end, s.tops, (unsigned long long)s.top_bytes, s.retrs, (unsigned long long)s.retr_bytes, s.deleted, s.drop.count,
	         (unsigned long long)all_sizes(&s));
	drop_close(&s.drop);
	return 0;
}
