/* SPDX-License-Identifier: ISC */
/*
 * remote_pgsql.c - pgsql: tables, by libpq (pgsql_table(5))
 *
 * Queries go by the extended protocol, which takes one statement alone; what a key puts in is
 * quoted by libpq.  The calls that do not wait are used, so that a server that hangs costs the
 * deadline and not a task.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>

#include "guard/remote.h"
#include "service/service.h"

enum { CONNECT_MS = 10000 };

struct pgsql {
	const char *user, *password, *dbname, *encoding;
};

/* What TLS needs: read when a connection is made, inside the sandbox. */
static void
allow_files(const PQconninfoOption *options)
{
	static const char *const files[] = {"sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir"};

	for (const PQconninfoOption *o = options; o->keyword; o++)
		for (size_t i = 0; i < COUNT(files); i++)
			if (o->val && o->val[0] == '/' && strcmp(o->keyword, files[i]) == 0)
				service_may_read(o->val);
}

static int
add_host(struct remote *r, struct span word, struct fault *why)
{
	PQconninfoOption *options;
	autofree char    *info = NULL;
	int               outcome;

	if (!span_starts(word, "postgresql:") && !span_starts(word, "postgres:") && !span_has(word, '='))
		return remote_add_host_word(r, word, "5432", why);
	info = mem_span(word);
	options = PQconninfoParse(info, NULL);
	if (!options)
		return fault_set(why, FAULT_INPUT, "hosts: cannot be read");
	allow_files(options);
	outcome = remote_add_host(r, word, SPAN_NONE, true, why);
	for (const PQconninfoOption *o = options; outcome == 0 && o->keyword; o++)
		if (o->val && strcmp(o->keyword, "host") == 0 && o->val[0] != '/') {      /* its port is ours to tell */
			const char *port = "5432";

			for (const PQconninfoOption *p = options; p->keyword; p++)
				if (p->val && strcmp(p->keyword, "port") == 0)
					port = p->val;
			outcome = remote_add_host(r, span_of(o->val), span_of(port), false, why);
			if (outcome == 0) {
				free(r->host[--r->hosts].name);
				free(r->host[r->hosts].port);
			}
		}
	PQconninfoFree(options);
	return outcome;
}

static int
prepare(struct remote *r, struct fault *why)
{
	struct pgsql *p = r->own = mem_alloc(sizeof *p);
	struct span   hosts = span_of(remote_string(r->config, "hosts", "localhost")), word;

	p->user = remote_string(r->config, "user", NULL);
	p->password = remote_string(r->config, "password", NULL);
	p->dbname = remote_string(r->config, "dbname", NULL);
	p->encoding = remote_string(r->config, "encoding", "UTF8");
	if (remote_sql_query(r, why) < 0)
		return -1;
	while (span_next(&hosts, ", \t\r\n", &word))
		if (add_host(r, word, why) < 0)
			return -1;
	return 0;
}

static int
say(PGconn *db, enum fault_class class, const char *what, struct fault *why)
{
	struct span text = span_trim(span_of(PQerrorMessage(db)));

	return fault_set(why, class, "%s: %.*s", what, SPAN_ARGS(span_first(text, 250)));
}

static int
finish_connecting(PGconn *db, int64_t deadline, struct fault *why)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (next != PGRES_POLLING_OK) {
		if (next == PGRES_POLLING_FAILED || PQstatus(db) == CONNECTION_BAD)
			return say(db, FAULT_PEER, "connect", why);
		if (task_wait_fd(PQsocket(db), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, why) < 0)
			return fault_prefix(why, "connect");
		next = PQconnectPoll(db);
	}
	return 0;
}

static void *
connect_to(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	const struct pgsql *p = r->own;
	int64_t             until = clock_after(CONNECT_MS);
	bool                whole = strchr(h->name, '=') || strstr(h->name, "://");
	/* without them libpq looks for files in a home, may not, and gives TLS up */
	const char *const   no_file = "/nonexistent/postgresql";
	/* dbname last: as a whole conninfo it fills what the others leave */
	const char *const   names[] = {"host", "port", "user", "password", "client_encoding", "passfile", "application_name",
	                              "sslcert", "sslrootcert", "sslcrl", "dbname", NULL};
	const char *const   plain[] = {h->name, h->port, p->user, p->password, p->encoding, "/dev/null", "postern", no_file, no_file, no_file, p->dbname, NULL};
	const char *const   info[] = {NULL, NULL, p->user, p->password, p->encoding, "/dev/null", "postern", no_file, no_file, no_file, h->name, NULL};
	PGconn             *db = PQconnectStartParams(names, whole ? info : plain, 1);

	if (!db) {
		fault_set(why, FAULT_PEER, "libpq: no memory");
		return NULL;
	}
	if (finish_connecting(db, until < deadline ? until : deadline, why) == 0)
		return db;
	PQfinish(db);
	return NULL;
}

static int
quote(void *context, struct span in, struct text *out, struct fault *why)
{
	char  *to = text_room(out, 2 * in.len + 1);
	int    bad = 0;
	size_t len = PQescapeStringConn(context, to, in.at, in.len, &bad);

	if (bad)
		return say(context, FAULT_INPUT, "the key cannot be quoted", why);
	out->len += len;
	return 0;
}

static int
take_rows(struct remote *r, const PGresult *rows, const struct remote_key *key, struct remote_answer *answer,
          struct fault *why)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		if (remote_row(key, answer, why) < 0)
			return -1;
		for (int field = 0; field < PQnfields(rows); field++) {
			struct span value = span_at(PQgetvalue(rows, row, field), (size_t)PQgetlength(rows, row, field));

			if (!PQgetisnull(rows, row, field) && remote_add_field(r, key, PQfname(rows, field), value, answer, why) < 0)
				return -1;
		}
	}
	return 0;
}

static int
await(PGconn *db, int64_t deadline, struct fault *why)
{
	int left;

	while ((left = PQflush(db)) > 0)
		if (task_wait_fd(PQsocket(db), POLLIN | POLLOUT, deadline, why) < 0 || !PQconsumeInput(db))
			return why->class == FAULT_TIME ? -1 : say(db, FAULT_PEER, "query", why);
	if (left < 0)
		return say(db, FAULT_PEER, "query", why);
	while (PQisBusy(db)) {
		if (task_wait_fd(PQsocket(db), POLLIN, deadline, why) < 0)
			return -1;
		if (!PQconsumeInput(db))
			return say(db, FAULT_PEER, "query", why);
	}
	return 0;
}

static int
take_results(struct remote *r, PGconn *db, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
             struct fault *why)
{
	int outcome = 0;

	for (;;) {
		PGresult *rows;

		if (await(db, deadline, why) < 0)
			return -1;
		rows = PQgetResult(db);
		if (!rows)
			return outcome;
		if (outcome == 0 && PQresultStatus(rows) == PGRES_TUPLES_OK)
			outcome = take_rows(r, rows, key, answer, why);
		else if (outcome == 0)
			outcome = say(db, PQstatus(db) == CONNECTION_BAD ? FAULT_PEER : FAULT_SYSTEM, "query", why);
		PQclear(rows);
	}
}

static int
ask(struct remote *r, void *db, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
    struct fault *why)
{
	autotext struct text query = {0};
	int                  got;

	if (PQstatus(db) != CONNECTION_OK)
		return fault_set(why, FAULT_PEER, "the connection has ended");
	PQsetnonblocking(db, 1);
	got = remote_query(r, key, quote, db, &query, why);
	if (got)
		return got < 0 ? -1 : 0;
	if (!PQsendQueryParams(db, query.at, 0, NULL, NULL, NULL, NULL, 0))
		return say(db, FAULT_PEER, "query", why);
	return take_results(r, db, key, answer, deadline, why);
}

static void
disconnect(void *db)
{
	PQfinish(db);
}

static void
free_own(struct remote *r)
{
	free(r->own);
}

const struct remote_driver remote_pgsql_driver = {prepare, connect_to, ask, disconnect, free_own};

static int
open_pgsql(struct table *t, struct fault *why)
{
	return remote_open(t, &remote_pgsql_driver, why);
}

const struct table_type remote_pgsql = {"pgsql", true, false, open_pgsql, remote_find, remote_close, NULL};
