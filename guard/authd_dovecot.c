/* SPDX-License-Identifier: ISC */
/*
 * authd_dovecot.c - Dovecot's authentication protocol, server's side, version 1.2
 *
 * What Postfix (smtpd_sasl_type = dovecot) and others speak on private/auth:
 * tab-separated lines. After a handshake the client sends
 *   AUTH id mechanism service=.. [rip=.. lip=.. secured] [resp=base64]
 *   CONT id base64
 * and gets  OK id user=..  |  CONT id base64  |  FAIL id [user=..] [reason=..] [temp]
 * A connection may have several tries at once; here they are served in turn.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "authd_try.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strmap.h"
#include "net/conn.h"

enum { LINE_LIMIT = 16384, OPEN_TRIES = 100, HANDSHAKE_MS = 60000 };

struct dovecot {
	struct conn   *conn;
	struct strmap *tries;     /* id -> struct try */
};

static const char *
nature_of(const char *mechanism)
{
	return sasl_tells_password(mechanism) ? "plaintext" : strcmp(mechanism, "CRAM-MD5") == 0 ? "dictionary\tactive" : "mutual-auth";
}

static int
greet(struct dovecot *d)
{
	static unsigned long serial;
	struct fault         why = {0};

	conn_print(d->conn, &why, "VERSION\t1\t2\n");
	for (size_t i = 0; i < auth_config.mechanisms.count; i++) {
		autofree char *name = mem_string(auth_config.mechanisms.item[i]);

		for (char *p = name; *p; p++)
			*p = ascii_upper(*p);
		if (!span_ends(span_of(name), "-PLUS") && strcmp(name, "EXTERNAL") != 0) /* there is no TLS to look at */
			conn_print(d->conn, &why, "MECH\t%s\t%s\n", name, nature_of(name));
	}
	conn_print(d->conn, &why, "SPID\t%ld\nCUID\t%lu\nCOOKIE\t%016llx%016llx\nDONE\n", (long)getpid(),
	           __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED), (unsigned long long)clock_wall(),
	           (unsigned long long)clock_now());
	return conn_flush(d->conn, &why);
}

/* Values are escaped: \001 then 0 1 t r n (NUL, \001, TAB, CR, LF). */
static void
put_escaped(struct text *line, const char *value)
{
	for (; *value; value++) {
		const char *found = strchr("\001\t\r\n", *value);

		if (found) {
			text_add_byte(line, '\001');
			text_add_byte(line, "1trn"[found - "\001\t\r\n"]);
		} else {
			text_add_byte(line, *value);
		}
	}
}

static void
finish(struct dovecot *d, struct span id)
{
	try_free(strmap_remove(d->tries, id));
}

static int
fail(struct dovecot *d, struct span id, const char *user, const char *reason, bool temporary)
{
	autotext struct text line = {0};

	text_add_format(&line, "FAIL\t%.*s", SPAN_ARGS(id));
	if (*user) {
		text_add_string(&line, "\tuser=");
		put_escaped(&line, user);
	}
	if (*reason) {
		text_add_string(&line, "\treason=");
		put_escaped(&line, reason);
	}
	text_add_string(&line, temporary ? "\ttemp\n" : "\n");
	conn_write(d->conn, text_span(&line), NULL);
	return conn_flush(d->conn, NULL);
}

static int
step(struct dovecot *d, struct span id, struct try *t, struct span input)
{
	autotext struct text output = {0}, line = {0};
	enum sasl_state      state = try_step(t, input, &output);

	poll(NULL, 0, (int)try_lateness(t, state)); /* other servers do not wait for us: we do */
	switch (state) {
	case SASL_MORE:
		text_add_format(&line, "CONT\t%.*s\t", SPAN_ARGS(id));
		base64_encode(text_span(&output), &line);
		break;
	case SASL_YES:
		text_add_format(&line, "OK\t%.*s\tuser=", SPAN_ARGS(id));
		put_escaped(&line, try_user(t));
		finish(d, id);
		break;
	default: {
		autofree char *user = mem_string(try_user(t));

		finish(d, id);
		return fail(d, id, user, "", state == SASL_TROUBLE);
	}
	}
	text_add_byte(&line, '\n');
	conn_write(d->conn, text_span(&line), NULL);
	return conn_flush(d->conn, NULL);
}

static int
do_auth(struct dovecot *d, struct span rest)
{
	struct try_client    c = {.service = "smtp", .peer = SPAN_NONE, .local = SPAN_NONE, .name = SPAN_NONE, .bound = SPAN_NONE, .binding = SPAN_NONE};
	autotext struct text input = {0};
	struct fault         why = {0};
	struct span          id, mechanism, word;
	struct try          *t;
	bool                 has_input = false;

	span_split(&rest, '\t', &id);
	span_split(&rest, '\t', &mechanism);
	while (rest.len) {
		span_split(&rest, '\t', &word);
		if (span_starts(word, "resp=")) {
			has_input = true;
			if (base64_decode(span_from(word, 5), &input, NULL) < 0)
				return fail(d, id, "", "Invalid base64 data in initial response", false);
			break; /* by the protocol it is the last */
		}
		if (span_starts(word, "rip="))
			c.peer = span_from(word, 4);
		if (span_starts(word, "lip="))
			c.local = span_from(word, 4);
		c.secured = c.secured || span_is(word, "secured") || span_is(word, "secured=tls");
	}
	/* The service that asks has decided about clear text already: smtpd_tls_auth_only is its own. */
	c.secured = true;
	if (!id.len || strmap_get(d->tries, id) || strmap_count(d->tries) >= OPEN_TRIES)
		return -1;
	if (!(t = try_start(&c, mechanism, &why)))
		return fail(d, id, "", fault_text(&why), false);
	strmap_put(d->tries, id, t);
	return step(d, id, t, has_input ? text_span(&input) : SPAN_NONE);
}

static int
do_cont(struct dovecot *d, struct span rest)
{
	autotext struct text input = {0};
	struct span          id;
	struct try          *t;

	span_split(&rest, '\t', &id);
	if (!(t = strmap_get(d->tries, id)))
		return fail(d, id, "", "Timed out", false);
	if (base64_decode(rest, &input, NULL) < 0) {
		finish(d, id);
		return fail(d, id, "", "Invalid base64 data in continued response", false);
	}
	return step(d, id, t, text_span(&input));
}

static int
do_line(struct dovecot *d, struct span line)
{
	struct span verb, version;

	span_split(&line, '\t', &verb);
	if (span_is(verb, "VERSION")) {
		span_split(&line, '\t', &version);
		return span_is(version, "1") ? 0 : -1;
	}
	if (span_is(verb, "CPID"))
		return 0;
	if (span_is(verb, "AUTH"))
		return do_auth(d, line);
	if (span_is(verb, "CONT"))
		return do_cont(d, line);
	if (span_is(verb, "CANCEL")) {
		finish(d, line);
		return 0;
	}
	return 0; /* unknown commands are ignored, says the protocol */
}

static void
free_try(void *t)
{
	try_free(t);
}

void
dovecot_serve(int sock)
{
	struct dovecot d = {.conn = conn_new(sock), .tries = strmap_new()};
	struct fault   why = {0};
	struct span    line;

	if (greet(&d) == 0)
		while (conn_line(d.conn, LINE_LIMIT, &line, NULL, &why) == 0)
			if (do_line(&d, line) < 0)
				break;
	strmap_free(d.tries, free_try);
	conn_free(d.conn);
}
