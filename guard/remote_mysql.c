/* SPDX-License-Identifier: ISC */
/*
 * remote_mysql.c - mysql: tables, by the client library of MySQL or MariaDB (mysql_table(5))
 *
 * What a key puts into a query is quoted by the library, which knows the connection's character
 * set and whether the server takes backslashes.  Several statements in one query are off.
 */
#include <errmsg.h>
#define list_add  mysql_list_add       /* its header has names that we have */
#define list_free mysql_list_free
#include <mysql.h>
#undef list_add
#undef list_free
#include <stdlib.h>

#include "guard/remote.h"
#include "service/service.h"

enum { CONNECT_SECONDS = 10, ANSWER_SECONDS = 20 };

struct mysql {
	const char *user, *password, *dbname, *charset, *option_file, *option_group;
	const char *key_file, *cert_file, *ca_file, *ca_path, *ciphers;
	bool        verify, needs_result;
};

static void
read_parameters(struct remote *r, struct mysql *m)
{
	struct remote_config *c = r->config;

	m->user = remote_string(c, "user", NULL);
	m->password = remote_string(c, "password", NULL);
	m->dbname = remote_string(c, "dbname", NULL);
	m->charset = remote_string(c, "charset", "utf8mb4");
	m->option_file = remote_string(c, "option_file", NULL);
	m->option_group = remote_string(c, "option_group", "client");
	m->key_file = remote_string(c, "tls_key_file", NULL);
	m->cert_file = remote_string(c, "tls_cert_file", NULL);
	m->ca_file = remote_string(c, "tls_CAfile", NULL);
	m->ca_path = remote_string(c, "tls_CApath", NULL);
	m->ciphers = remote_string(c, "tls_ciphers", NULL);
	service_may_read(m->option_file);
	service_may_read(m->key_file);
	service_may_read(m->cert_file);
	service_may_read(m->ca_file);
	service_may_read(m->ca_path);
}

static int
prepare(struct remote *r, struct fault *why)
{
	struct mysql *m = r->own = mem_alloc(sizeof *m);
	struct span   hosts = span_of(remote_string(r->config, "hosts", "localhost")), word;

	mysql_library_init(0, NULL, NULL);      /* before there are tasks */
	read_parameters(r, m);
	if (remote_boolean(r->config, "tls_verify_cert", false, &m->verify, why) < 0 ||
	    remote_boolean(r->config, "require_result_set", true, &m->needs_result, why) < 0 ||
	    remote_sql_query(r, why) < 0)
		return -1;
	while (span_next(&hosts, ", \t\r\n", &word)) {
		if (span_is(word, "localhost")) {      /* the library takes its own Unix socket */
			if (remote_add_host(r, word, SPAN_NONE, true, why) < 0)
				return -1;
		} else if (remote_add_host_word(r, word, "3306", why) < 0)
			return -1;
	}
	return 0;
}

static void
set_options(MYSQL *db, const struct mysql *m)
{
	unsigned connect = CONNECT_SECONDS, wait = ANSWER_SECONDS, no = 0;
	my_bool  verify = m->verify;

	mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &wait);
	mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &wait);
	mysql_options(db, MYSQL_OPT_LOCAL_INFILE, &no);
	if (m->option_file)
		mysql_options(db, MYSQL_READ_DEFAULT_FILE, m->option_file);
	if (m->option_group[0])
		mysql_options(db, MYSQL_READ_DEFAULT_GROUP, m->option_group);
	if (m->charset[0])
		mysql_options(db, MYSQL_SET_CHARSET_NAME, m->charset);
	if (m->key_file || m->cert_file || m->ca_file || m->ca_path || m->ciphers)
		mysql_ssl_set(db, m->key_file, m->cert_file, m->ca_file, m->ca_path, m->ciphers);
	mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static int
say(MYSQL *db, const char *what, struct fault *why)
{
	unsigned        number = mysql_errno(db);
	enum fault_class class = number >= CR_MIN_ERROR && number <= 2999 ? FAULT_PEER : FAULT_SYSTEM;

	return fault_set(why, class, "%s: %s", what, mysql_error(db));
}

static void *
connect_to(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	const struct mysql *m = r->own;
	MYSQL              *db = mysql_init(NULL);
	const char         *path = h->local && h->name[0] == '/' ? h->name : NULL;
	unsigned            port = (unsigned)strtoul(h->port, NULL, 10);

	(void)deadline;
	if (!db) {
		fault_set(why, FAULT_SYSTEM, "mysql: no memory");
		return NULL;
	}
	set_options(db, m);
	if (mysql_real_connect(db, path ? NULL : h->name, m->user, m->password, m->dbname, port, path, CLIENT_MULTI_RESULTS))
		return db;
	say(db, "connect", why);
	why->class = FAULT_PEER;       /* a password that is wrong here may be right there */
	mysql_close(db);
	return NULL;
}

struct quoting {
	MYSQL      *db;
	const char *query;
};

/*
 * Without backslashes (sql_mode = NO_BACKSLASH_ESCAPES) the library doubles single quotes and leaves
 * double ones: in a query that has such a key must not come to stand between them.
 */
static int
quote(void *context, struct span in, struct text *out, struct fault *why)
{
	struct quoting *q = context;
	char           *to = text_room(out, 2 * in.len + 1);
	unsigned long   len = mysql_real_escape_string(q->db, to, in.at, in.len);
	unsigned        status = 0;

	mariadb_get_infov(q->db, MARIADB_CONNECTION_SERVER_STATUS, &status);
	if (status & SERVER_STATUS_NO_BACKSLASH_ESCAPES && span_has(in, '"') && strchr(q->query, '"'))
		return fault_set(why, FAULT_INPUT, "the key has a double quote, as the query has, and the server takes no backslashes");
	if (len == (unsigned long)-1)
		return fault_set(why, FAULT_INPUT, "the key cannot be quoted");
	out->len += len;
	return 0;
}

static int
take_rows(struct remote *r, MYSQL_RES *rows, const struct remote_key *key, struct remote_answer *answer, struct fault *why)
{
	unsigned           fields = mysql_num_fields(rows);
	const MYSQL_FIELD *names = mysql_fetch_fields(rows);
	MYSQL_ROW          row;

	while ((row = mysql_fetch_row(rows))) {
		const unsigned long *len = mysql_fetch_lengths(rows);

		if (remote_row(key, answer, why) < 0)
			return -1;
		for (unsigned i = 0; i < fields; i++)
			if (row[i] && remote_add_field(r, key, names[i].name, span_at(row[i], len[i]), answer, why) < 0)
				return -1;
	}
	return 0;
}

/* A stored procedure answers with a result and a status. */
static int
take_results(struct remote *r, MYSQL *db, const struct remote_key *key, struct remote_answer *answer, struct fault *why)
{
	const struct mysql *m = r->own;
	bool                any = false, failed = false;
	int                 more;

	do {
		MYSQL_RES *rows = mysql_store_result(db);

		if (!rows && mysql_field_count(db))
			return say(db, "query", why);
		any |= rows != NULL;
		if (rows && !failed)
			failed = take_rows(r, rows, key, answer, why) < 0;
		if (rows)
			mysql_free_result(rows);
		more = mysql_next_result(db);
	} while (more == 0);
	if (more > 0)
		return say(db, "query", why);
	if (!any && m->needs_result)
		return fault_set(why, FAULT_SYSTEM, "the query returned no result set");
	return failed ? -1 : 0;
}

static int
ask(struct remote *r, void *db, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
    struct fault *why)
{
	autotext struct text query = {0};
	struct quoting       q = {db, key->request ? key->request->query : r->query};
	int                  got = remote_query(r, key, quote, &q, &query, why);

	(void)deadline;
	if (got)
		return got < 0 ? -1 : 0;
	if (mysql_real_query(db, query.at, query.len))
		return say(db, "query", why);
	return take_results(r, db, key, answer, why);
}

static void
disconnect(void *db)
{
	mysql_close(db);
}

static void
free_own(struct remote *r)
{
	free(r->own);
}

const struct remote_driver remote_mysql_driver = {prepare, connect_to, ask, disconnect, free_own};

static int
open_mysql(struct table *t, struct fault *why)
{
	return remote_open(t, &remote_mysql_driver, why);
}

const struct table_type remote_mysql = {"mysql", true, false, open_mysql, remote_find, remote_close, NULL};
