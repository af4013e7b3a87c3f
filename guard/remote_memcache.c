/* SPDX-License-Identifier: ISC */
/*
 * remote_memcache.c - memcache: tables, for lookups (memcache_table(5))
 *
 * With a `backup` table: what the server does not have, or cannot say, that table is asked.  Nothing
 * is written to the server, so ttl and flags, which belong to updates, change nothing.
 */
#include <stdlib.h>

#include "base/log.h"
#include "guard/remote.h"
#include "net/conn.h"

enum { KEY_MAX = 250 };      /* the protocol's */

struct memcache {
	const char   *key_format;
	struct table *backup;
	int           ttl, flags, line_limit, data_limit;
};

static int
prepare(struct remote *r, struct fault *why)
{
	struct memcache *m = r->own = mem_alloc(sizeof *m);
	const char      *backup = remote_string(r->config, "backup", "");
	const char      *server = remote_string(r->config, "memcache", "inet:localhost:11211");

	m->key_format = remote_string(r->config, "key_format", "%s");
	if (remote_words_check(m->key_format, why) < 0 || remote_number(r->config, "ttl", 3600, &m->ttl, why) < 0 ||
	    remote_number(r->config, "flags", 0, &m->flags, why) < 0 ||
	    remote_number(r->config, "line_size_limit", 1024, &m->line_limit, why) < 0 ||
	    remote_number(r->config, "data_size_limit", 10240, &m->data_limit, why) < 0)
		return -1;
	if (*backup && !(m->backup = table_open(backup, why)))
		return fault_prefix(why, "backup");
	return remote_add_host_word(r, span_of(server), "11211", why);
}

static void *
connect_to(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	int fd;

	(void)r;
	return remote_dial(h, deadline, &fd, why) < 0 ? NULL : conn_new(fd);
}

static void
disconnect(void *conn)
{
	conn_free(conn);
}

/* "VALUE key flags bytes" data "END": 0 with value, 1 END at once */
static int
read_value(const struct memcache *m, struct conn *c, struct text *value, struct fault *why)
{
	struct span line, word = SPAN_NONE;
	uint64_t    len;

	if (conn_line(c, (size_t)m->line_limit, &line, NULL, why) < 0)
		return -1;
	if (span_is(line, "END"))
		return 1;
	if (!span_starts(line, "VALUE "))
		return fault_set(why, FAULT_PEER, "the server says something else");
	for (int i = 0; i < 4; i++)
		span_next(&line, " ", &word);
	if (!span_number(word, &len) || len > (uint64_t)m->data_limit)
		return fault_set(why, FAULT_PEER, "the server's value is too long");
	while (value->len < len + 2) {      /* CRLF */
		if (conn_some(c, len + 2 - value->len, &line, why) < 0)
			return -1;
		text_add(value, line);
	}
	text_cut(value, len);
	if (conn_line(c, (size_t)m->line_limit, &line, NULL, why) < 0)
		return -1;
	return span_is(line, "END") ? 0 : fault_set(why, FAULT_PEER, "the server's END is missing");
}

static int
ask(struct remote *r, void *conn, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
    struct fault *why)
{
	const struct memcache *m = r->own;
	autotext struct text   name = {0}, value = {0};
	int                    got = remote_words_expand(m->key_format, key, key, remote_quote_none, NULL, &name, why);

	if (got)
		return got < 0 ? -1 : 0;
	for (size_t i = 0; i < name.len; i++)
		if (name.len > KEY_MAX || (unsigned char)name.at[i] <= ' ' || name.at[i] == 0x7f)
			return 0;      /* the protocol has no such key */
	if (remote_out_of_turn(conn, why))
		return -1;
	conn_deadline(conn, deadline);
	if (conn_print(conn, why, "get %s\r\n", name.at) < 0 || (got = read_value(m, conn, &value, why)) < 0) {
		why->class = why->class == FAULT_TIME ? FAULT_TIME : FAULT_PEER;
		return -1;
	}
	return got ? 0 : remote_add(r, key, text_span(&value), answer, why);
}

static void
free_own(struct remote *r)
{
	struct memcache *m = r->own;

	if (m)
		table_close(m->backup);
	free(m);
}

static const struct remote_driver driver = {prepare, connect_to, ask, disconnect, free_own};

static int
open_memcache(struct table *t, struct fault *why)
{
	return remote_open(t, &driver, why);
}

static int
find_memcache(struct table *t, struct span key, struct text *value, struct fault *why)
{
	const struct remote   *r = t->data;
	const struct memcache *m = r->own;
	int                    got = remote_find(t, key, value, why);

	if (got == 0 || !m->backup)
		return got;
	if (got < 0)
		log_warning("%s: %s: asking %s", t->spec, fault_text(why), table_spec(m->backup));
	return table_find(m->backup, key, value, why);
}

const struct table_type remote_memcache = {"memcache", true, false, open_memcache, find_memcache, remote_close, NULL};
