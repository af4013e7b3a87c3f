/* SPDX-License-Identifier: ISC */
/*
 * sasl_dovecot.c - the client's side of Dovecot's authentication protocol
 *
 * Lines of fields that TABs separate:
 *   server  VERSION 1 x | MECH PLAIN plaintext ... | ... | DONE
 *   client  VERSION 1 1 | CPID n
 *   client  AUTH id MECH service=smtp secured lip= rip= [resp=base64]    (resp last)
 *   server  CONT id base64 | OK id user=.. | FAIL id [reason=..] [temp] ...
 *   client  CONT id base64
 * A stream serves one try.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "ipc/ask_dial.h"
#include "sasl.h"
#include "session.h"
#include "settings.h"

enum { LINE_MAX_BYTES = 16384, HANDSHAKE_LINES = 200, AUTH_MS = 60000 };

struct dovecot_auth {
	struct conn *conn;
	unsigned     id;
};

static int
greet(struct dovecot_auth *d, struct text *mechanisms, struct fault *why)
{
	struct span line, command, word;

	if (conn_print(d->conn, why, "VERSION\t1\t1\nCPID\t%ld\n", (long)getpid()) < 0)
		return -1;
	for (int i = 0; i < HANDSHAKE_LINES; i++) {
		if (conn_line(d->conn, LINE_MAX_BYTES, &line, NULL, why) < 0)
			return -1;
		span_split(&line, '\t', &command);
		if (span_is(command, "DONE"))
			return 0;
		span_split(&line, '\t', &word);
		if (span_is(command, "VERSION") && !span_is(word, "1"))
			return fault_set(why, FAULT_PEER, "authentication protocol version %.*s", SPAN_ARGS(span_first(word, 20)));
		if (span_is(command, "MECH") && word.len && span_find(line, '\t') != 0) {
			if (mechanisms->len)
				text_add_byte(mechanisms, ' ');
			text_add(mechanisms, word);
		}
	}
	return fault_set(why, FAULT_PEER, "authentication server: endless greeting");
}

int
dovecot_connect(struct session *s, struct dovecot_auth **out, struct text *mechanisms, struct fault *why)
{
	struct dovecot_auth *d;
	autofree char       *endpoint = NULL;
	int                  fd = -1;

	(void)s;
	if (strchr(settings.sasl_path, ':'))
		endpoint = mem_string(settings.sasl_path);
	else
		endpoint = mem_format("unix:%s", settings.sasl_path);
	if (ask_dial(span_of(endpoint), clock_after(AUTH_MS), &fd, why) < 0)
		return -1;
	d = mem_alloc(sizeof *d);
	d->conn = conn_new(fd);
	conn_deadline(d->conn, clock_after(AUTH_MS));
	if (greet(d, mechanisms, why) < 0) {
		dovecot_free(d);
		return -1;
	}
	*out = d;
	return 0;
}

/* Fields after the id: "name=value" or "name". */
static bool
field(struct span rest, const char *name, struct span *value)
{
	struct span one;
	size_t      len = strlen(name);
	bool        more;

	do {
		more = span_split(&rest, '\t', &one);
		if (span_starts(one, name) && (one.len == len || one.at[len] == '=')) {
			*value = span_from(one, len + 1);
			return true;
		}
	} while (more);
	return false;
}

static void
copy(char *to, size_t size, struct span from)
{
	size_t len = from.len < size ? from.len : size - 1;

	memcpy(to, from.at, len);
	to[len] = '\0';
}

static void
take_failure(struct span rest, struct auth_answer *answer)
{
	struct span value;

	answer->state = field(rest, "temp", &value) ? AUTH_TROUBLE : AUTH_NO;
	copy(answer->status, sizeof answer->status, answer->state == AUTH_NO ? SPAN("5.7.8") : SPAN("4.7.0"));
	copy(answer->reason, sizeof answer->reason, SPAN_NONE);
	if (field(rest, "reason", &value))
		copy(answer->reason, sizeof answer->reason, value);
}

static int
read_answer(struct dovecot_auth *d, struct auth_answer *answer, struct fault *why)
{
	struct span line, command, id, value;
	uint64_t    number;

	for (int i = 0; i < HANDSHAKE_LINES; i++) {
		if (conn_line(d->conn, LINE_MAX_BYTES, &line, NULL, why) < 0)
			return fault_set(why, FAULT_PEER, "Connection lost to authentication server");
		span_split(&line, '\t', &command);
		span_split(&line, '\t', &id);
		if (!span_number(id, &number) || number != d->id)
			continue;
		if (span_is(command, "FAIL")) {
			take_failure(line, answer);
			return 0;
		}
		if (span_is(command, "CONT")) {
			answer->state = AUTH_MORE;
			text_clear(&answer->data);
			span_split(&line, '\t', &value);
			return base64_decode(value, &answer->data, why);
		}
		if (span_is(command, "OK")) {
			if (!field(line, "user", &value) || value.len == 0)
				return fault_set(why, FAULT_PEER, "authentication server: OK without a user");
			answer->state = AUTH_YES;
			copy(answer->user, sizeof answer->user, value);
			return 0;
		}
	}
	return fault_set(why, FAULT_PEER, "authentication server: no answer");
}

int
dovecot_start(struct dovecot_auth *d, struct session *s, struct span mechanism, const struct span *initial,
              struct auth_answer *answer, struct fault *why)
{
	autotext struct text line = {0};

	d->id = 1;
	text_add_format(&line, "AUTH\t%u\t%.*s\tservice=%s\tnologin\tlip=%s\trip=%s", d->id, SPAN_ARGS(mechanism),
	                settings.sasl_service, s->client.server_address, s->client.address);
	if (s->is_tls || !settings.tls_auth_only)
		text_add_string(&line, "\tsecured");
	if (initial) {
		text_add_string(&line, "\tresp=");
		base64_encode(*initial, &line);
	}
	text_add_byte(&line, '\n');
	if (conn_write(d->conn, text_span(&line), why) < 0)
		return -1;
	mem_wipe(line.at, line.len);
	return read_answer(d, answer, why);
}

int
dovecot_more(struct dovecot_auth *d, struct span data, struct auth_answer *answer, struct fault *why)
{
	autotext struct text line = {0};

	conn_deadline(d->conn, clock_after(AUTH_MS));
	text_add_format(&line, "CONT\t%u\t", d->id);
	base64_encode(data, &line);
	text_add_byte(&line, '\n');
	if (conn_write(d->conn, text_span(&line), why) < 0)
		return -1;
	mem_wipe(line.at, line.len);
	return read_answer(d, answer, why);
}

void
dovecot_free(struct dovecot_auth *d)
{
	if (!d)
		return;
	conn_free(d->conn);
	free(d);
}
