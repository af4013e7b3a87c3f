/* SPDX-License-Identifier: ISC */
/*
 * remote_streams.c - socketmap: and tcp: tables (socketmap_table(5), tcp_table(5))
 *
 *   socketmap:inet:host:port:name   netstrings: "name key", "OK value" "NOTFOUND " "TEMP why"
 *   socketmap:unix:/path:name
 *   tcp:host:port                   lines: "get key", "200 value" "400 why" "500 why", %XX in both
 *
 * Whole keys only, as they are written.
 */
#include <stdlib.h>

#include "guard/remote.h"
#include "net/conn.h"

enum { NETSTRING_MAX = 100000, LINE_MAX_BYTES = 4096, DIGITS_MAX = 8 };

static void *
connect_to(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	int fd;

	(void)r;
	if (remote_dial(h, deadline, &fd, why) < 0)
		return NULL;
	return conn_new(fd);
}

static void
disconnect(void *conn)
{
	conn_free(conn);
}

/* ---- socketmap ---- */

static int
prepare_socketmap(struct remote *r, struct fault *why)
{
	struct span place = span_of(r->table->name);
	ptrdiff_t   colon = span_find_last(place, ':');

	if (colon < 0 || (!span_starts(place, "inet:") && !span_starts(place, "unix:")))
		return fault_set(why, FAULT_INPUT, "expected inet:host:port:name or unix:path:name");
	r->own = mem_span(span_from(place, (size_t)colon + 1));
	place = span_first(place, (size_t)colon);
	if (span_starts(place, "inet:") && span_find_last(place, ':') < 5)
		return fault_set(why, FAULT_INPUT, "expected inet:host:port:name");
	return remote_add_host_word(r, place, "", why);
}

static int
read_bytes(struct conn *c, size_t count, struct text *out, struct fault *why)
{
	while (count) {
		struct span some;

		if (conn_some(c, count, &some, why) < 0)
			return -1;
		text_add(out, some);
		count -= some.len;
	}
	return 0;
}

static int
read_netstring(struct conn *c, struct text *out, struct fault *why)
{
	autotext struct text digits = {0};
	uint64_t             len = 0;

	while (digits.len <= DIGITS_MAX && (digits.len == 0 || digits.at[digits.len - 1] != ':'))
		if (read_bytes(c, 1, &digits, why) < 0)
			return -1;
	if (!span_number(span_first(text_span(&digits), digits.len - 1), &len) || len > NETSTRING_MAX)
		return fault_set(why, FAULT_PEER, "a netstring was expected");
	if (read_bytes(c, len + 1, out, why) < 0)
		return -1;
	if (out->at[len] != ',')
		return fault_set(why, FAULT_PEER, "a netstring without its comma");
	text_cut(out, len);
	return 0;
}

static int
ask_socketmap(struct remote *r, void *conn, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
              struct fault *why)
{
	const char          *name = r->own;
	autotext struct text reply = {0};
	struct span          rest, verb;

	if (remote_out_of_turn(conn, why))
		return -1;
	conn_deadline(conn, deadline);
	if (conn_print(conn, why, "%zu:%s ", strlen(name) + 1 + key->whole.len, name) < 0 ||
	    conn_write(conn, key->whole, why) < 0 || conn_write(conn, SPAN(","), why) < 0 ||
	    read_netstring(conn, &reply, why) < 0) {
		why->class = why->class == FAULT_TIME ? FAULT_TIME : FAULT_PEER;
		return -1;
	}
	rest = text_span(&reply);
	span_split(&rest, ' ', &verb);
	if (span_is(verb, "NOTFOUND"))
		return 0;
	if (span_is(verb, "OK"))
		return remote_add(r, key, rest, answer, why);
	if (span_is(verb, "TEMP") || span_is(verb, "TIMEOUT") || span_is(verb, "PERM"))
		return fault_set(why, FAULT_SYSTEM, "the server says %.*s", SPAN_ARGS(span_first(text_span(&reply), 200)));
	return fault_set(why, FAULT_PEER, "the server says something else");
}

static void
free_own(struct remote *r)
{
	free(r->own);
}

static const struct remote_driver socketmap = {prepare_socketmap, connect_to, ask_socketmap, disconnect, free_own};

static int
open_socketmap(struct table *t, struct fault *why)
{
	return remote_open_bare(t, &socketmap, why);
}

const struct table_type remote_socketmap = {"socketmap", false, true, open_socketmap, remote_find, remote_close, NULL};

/* ---- tcp ---- */

static int
prepare_tcp(struct remote *r, struct fault *why)
{
	struct span place = span_of(r->table->name);

	if (span_find_last(place, ':') <= 0)
		return fault_set(why, FAULT_INPUT, "expected host:port");
	return remote_add_host_word(r, place, "", why);
}

static void
encode(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.at[i];

		if (c <= ' ' || c >= 0x7f || c == '%')
			text_add_format(out, "%%%02X", c);
		else
			text_add_byte(out, in.at[i]);
	}
}

static int
digit(char c)
{
	const char *all = "0123456789abcdef", *at = c ? strchr(all, ascii_lower(c)) : NULL;

	return at ? (int)(at - all) : -1;
}

static bool
decode(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] != '%') {
			text_add_byte(out, in.at[i]);
			continue;
		}
		if (i + 2 >= in.len || digit(in.at[i + 1]) < 0 || digit(in.at[i + 2]) < 0)
			return false;
		text_add_byte(out, (char)(digit(in.at[i + 1]) * 16 + digit(in.at[i + 2])));
		i += 2;
	}
	return true;
}

static int
ask_tcp(struct remote *r, void *conn, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
        struct fault *why)
{
	autotext struct text request = {0}, value = {0};
	struct span          line, code;

	text_add_string(&request, "get ");
	encode(key->whole, &request);
	text_add_byte(&request, '\n');
	if (remote_out_of_turn(conn, why))
		return -1;
	conn_deadline(conn, deadline);
	if (conn_write(conn, text_span(&request), why) < 0 || conn_line(conn, LINE_MAX_BYTES, &line, NULL, why) < 0) {
		why->class = why->class == FAULT_TIME ? FAULT_TIME : FAULT_PEER;
		return -1;
	}
	span_split(&line, ' ', &code);
	if (!decode(span_trim(line), &value))
		return fault_set(why, FAULT_PEER, "the server's %% code is bad");
	if (span_is(code, "500"))
		return 0;
	if (span_is(code, "200") && value.len)
		return remote_add(r, key, text_span(&value), answer, why);
	if (span_is(code, "400"))
		return fault_set(why, FAULT_SYSTEM, "the server says %.*s", SPAN_ARGS(span_first(text_span(&value), 200)));
	return fault_set(why, FAULT_PEER, "the server says something else");
}

static const struct remote_driver tcp = {prepare_tcp, connect_to, ask_tcp, disconnect, NULL};

static int
open_tcp(struct table *t, struct fault *why)
{
	return remote_open_bare(t, &tcp, why);
}

const struct table_type remote_tcp = {"tcp", false, true, open_tcp, remote_find, remote_close, NULL};
