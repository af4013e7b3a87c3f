/* SPDX-License-Identifier: ISC */
/*
 * remote.h - lookup tables that a server answers: ldap memcache mysql pgsql socketmap sqlite tcp
 *
 * Inside proxymap, the only program that links the client libraries (configure says which are
 * here). A module is a driver: it connects, asks and hangs up; all else is shared:
 *
 *   parameters   from "/etc/postern/x.cf" (name = value, not expanded), or for mysql:x from
 *                main.cf's x_hosts, x_query ...; the file is watched
 *   question     remote_words.h; `domain` says which keys are asked at all
 *   servers      tried in an order of chance, Unix sockets first. One that failed is left alone for
 *                retry_interval, unless there is no other: then for a second. Up to POOL_MAX connections
 *                a table are kept, each for one lookup at a time, closed when idle for idle_interval
 *   answer       values through result_format, joined by commas, at most expansion_limit
 *
 * No server, a deadline, an answer that makes no sense: a fault, which means "not now" to all who
 * ask; never "not found".  What is connected to is told to the sandbox when the table is opened.
 */
#ifndef GUARD_REMOTE_H
#define GUARD_REMOTE_H

#include "base/clock.h"
#include "base/task.h"
#include "config/list.h"
#include "config/match.h"
#include "guard/identity_attrs.h"
#include "guard/remote_words.h"
#include "net/conn.h"
#include "table/table_type.h"

enum { REMOTE_MS = 25000, REMOTE_ALL_MOST = 64 << 20 };      /* a whole lookup, less than ASK_TABLE_MS; bytes of all rows */

struct remote;
struct remote_config;

/* ---- remote_config.c: parameters.  Strings are borrowed from the config. ---- */

struct remote_config *remote_config_open(struct table *, struct fault *);
struct remote_config *remote_config_made(const char *name);     /* not from a file: filled by remote_config_put */
void        remote_config_put(struct remote_config *, const char *name, const char *value);
void        remote_config_free(struct remote_config *);
const char *remote_string(struct remote_config *, const char *name, const char *fallback);
bool        remote_is_set(struct remote_config *, const char *name);
int         remote_number(struct remote_config *, const char *name, int fallback, int *, struct fault *);
int         remote_boolean(struct remote_config *, const char *name, bool fallback, bool *, struct fault *);
void        remote_config_leftovers(struct remote_config *);    /* warns of names in the file that nobody read */

/* ---- remote.c: one table, its servers and connections ---- */

struct remote_host {
	char    *name;           /* as a driver wants it; "/path" for a Unix socket with SQL */
	char    *port;           /* "" for the default */
	bool     local;
	int64_t  down_until, tried;
};

struct remote_answer {
	struct text values;
	int         count;
};

struct remote_driver {
	/* Reads its parameters, adds hosts: 0 or -1 why. */
	int   (*prepare)(struct remote *, struct fault *);
	/* NULL and why. */
	WAITS void *(*connect)(struct remote *, const struct remote_host *, int64_t deadline, struct fault *);
	/* 0: all values were added by remote_add.  -1: FAULT_PEER or FAULT_TIME when the connection is of no
	 * more use and another server may be asked, else the server's word, which is final. */
	WAITS int (*ask)(struct remote *, void *connection, const struct remote_key *, struct remote_answer *,
	                 int64_t deadline, struct fault *);
	void  (*disconnect)(void *connection);
	void  (*free)(struct remote *);       /* of `own`; may be NULL */
};

struct remote {
	const struct remote_driver *driver;
	struct table         *table;
	struct remote_config *config;
	const char           *query, *format;
	char                 *made;             /* query, when it had to be put together */
	bool                  identifies;       /* each question brings its query (struct remote_request) */
	struct list           domains;
	struct match_list    *domain;           /* NULL: all keys are asked */
	int                   limit, idle_ms, retry_ms;
	struct remote_host   *host;
	size_t                hosts;
	struct monitor        lock;             /* of what follows, and of the hosts' times */
	struct remote_link   *idle;
	size_t                n_idle, n_used;
	void                 *own;              /* the driver's */
};

int  remote_open(struct table *, const struct remote_driver *, struct fault *);
/* The same without parameters: socketmap, tcp. */
int  remote_open_bare(struct table *, const struct remote_driver *, struct fault *);
/* With parameters that are given, for questions that bring their query (identity.h). */
int  remote_open_made(struct table *, const struct remote_driver *, struct remote_config *, struct fault *);
int  remote_find(struct table *, struct span key, struct text *value, struct fault *);
void remote_close(struct table *);

/* A server; the port is told to the sandbox unless it is a Unix socket. */
int  remote_add_host(struct remote *, struct span name, struct span port, bool local, struct fault *);
/* "unix:/path", "inet:host:port", "host:port", "host", "[::1]:port": default_port as in "3306". */
int  remote_add_host_word(struct remote *, struct span word, const char *default_port, struct fault *);

/* What a question brings along instead of a key for the table's query. */
struct remote_request {
	const char                  *query;     /* of remote_ldap_binds: whose password it is, a DN with words in it, or as it is */
	const struct identity_words *words;     /* NULL: no words */
	/* of LDAP alone */
	const struct identity_attrs *attrs;
	struct text                 *name;      /* of the entry that was found; NULL: nobody asks */
	struct span                  password;
	bool                         all;       /* as many rows as there are, each behind an empty field */
};
/* 0 with "name=value" and a NUL for each field in answer.values, answer.count rows (0 or 1, unless all are wanted); -1 why. */
WAITS int remote_ask(struct remote *, const struct remote_key *, struct remote_answer *, struct fault *);

/* For modules: the question as the server shall hear it (0, 1: none, -1), a row that comes (-1: one too many), a value in it. */
int  remote_query(struct remote *, const struct remote_key *, remote_quote *, void *context, struct text *out, struct fault *);
int  remote_row(const struct remote_key *, struct remote_answer *, struct fault *);
int  remote_add_field(struct remote *, const struct remote_key *, const char *name, struct span value, struct remote_answer *, struct fault *);

/* One value, through result_format: -1 when there are too many. */
int  remote_add(struct remote *, const struct remote_key *, struct span value, struct remote_answer *, struct fault *);

/* What SQL modules share: query, or the old parameters' (table, select_field ...). */
int  remote_sql_query(struct remote *, struct fault *);

/* A stream to inet host and port or a Unix socket: -1 why. */
WAITS int remote_dial(const struct remote_host *, int64_t deadline, int *fd, struct fault *);
/* Before a question: what the server has said unasked would be taken for the answer, and its end for a refusal. */
bool remote_out_of_turn(struct conn *, struct fault *);

/* The modules that this build has, for table_use_modules(). */
extern const struct table_type *const remote_types[];
const struct remote_driver *remote_driver_named(const char *);       /* mysql, pgsql, sqlite, ldap, ldap-bind; NULL: not built in */
extern const struct remote_driver remote_mysql_driver, remote_pgsql_driver, remote_sqlite_driver;
/* Users (remote_ldap_users.c): an entry's fields; and is a password good?  answer.count is then one of these. */
enum { REMOTE_BIND_NOBODY, REMOTE_BIND_GOOD, REMOTE_BIND_WRONG };
extern const struct remote_driver remote_ldap_users_driver, remote_ldap_binds_driver;
extern const struct table_type remote_ldap, remote_memcache, remote_mysql, remote_pgsql, remote_socketmap, remote_sqlite,
	remote_tcp;

#endif
