/* SPDX-License-Identifier: ISC */
/*
 * table.h - lookup tables: "type:name"
 *
 *   hash: btree: lmdb: cdb: dbm: sdbm:   the text file `name`, built into an LMDB file (built.h says where)
 *   texthash:            the text file, read whole when opened
 *   inline:{k=v, {k=v}}  static:value  static:{a value}
 *   cidr:  regexp:  pcre:   patterns from top to bottom (postmap has the syntax)
 *   unix:passwd.byname   a snapshot of getpwent when opened (group.byname too); see table_ask_names
 *   fail:why             every lookup fails
 *   proxy:type:name      asked of proxymap, a conversation by lib/ipc/ask_table.h
 *   pipemap:{a,b}        the value of one is the key of the next
 *   unionmap:{a,b}       all values, joined by commas
 *
 *   randmap:{a,b}        one of them, whatever the key
 *   environ:             the environment
 *   ldap: memcache: mysql: pgsql: socketmap: sqlite: tcp:   asked of proxymap, which alone has
 *                        the clients (guard/remote.h), with or without proxy:
 *
 * Other types of Postfix (nis ...) are refused by table_open with a fault that says why.
 *
 * A table is immutable and shared by all tasks; only proxy: and remote ones WAIT.  Open every table before
 * the sandbox closes; the open handle then needs no file.  A type-less spec has the type
 * $default_database_type.  Specs in main.cf may come in { }.
 *
 * Keys are folded to lower case (ASCII) where Postfix folds them: all types but regexp, pcre
 * (theirs is the i flag) and cidr.  An empty key is never looked up: not found.  Values are at most
 * TABLE_VALUE_MAX bytes; what is larger is a fault.
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"
#include "config/list.h"
#include "config/match.h"

enum { TABLE_VALUE_MAX = 102400, TABLE_KEY_MAX = 4096, TABLE_TEXT_MAX = 256 << 20 };

struct table;

/* NULL and why.  `spec` as in main.cf: "hash:/etc/postern/virtual". */
struct table *table_open(const char *spec, struct fault *);
void          table_close(struct table *);                    /* NULL is fine */

/* Sets *value (what it held before is lost): 0 found, 1 not found, -1 why. */
void table_keep_case(struct table *);                          /* postmap -f: keys are asked as they are */
void table_keep_keys(void);                                    /* the same for texthash: and inline:, before they are opened */
WAITS int table_find(struct table *, struct span key, struct text *value, struct fault *);

/* All entries of a table that is in memory (texthash, inline); -1: this type cannot tell them. */
int table_walk(const struct table *, void (*each)(void *context, struct span key, struct span value),
               void *context, struct fault *);

const char *table_spec(const struct table *);        /* "hash:/etc/postern/virtual" */
bool        table_is_pattern(const struct table *);  /* regexp, pcre, cidr: full keys only */
uid_t       table_owner(const struct table *);       /* of the text; (uid_t)-1: nobody knows, trust nothing */

/* The text or the built file is another one than when the table was opened: the process
 * should be replaced (the next one builds what is stale when it opens it as root).
 * Needs no path: it asks descriptors that were kept. */
bool        table_changed(const struct table *);

/* True when the text of the spec begins like "type:name" of a type that we know. */
bool        table_is_spec(struct span);

/* Names of the types, for postconf -m: NULL at the end. */
const char *table_type_at(size_t index);

/*
 * How proxy: is asked: a program that may not read files gives ask_table_find
 * (lib/ipc/ask_table.h) before it opens tables.  Where nobody did (commands, rewrite,
 * proxymap, what names uids and commands in local and virtual), proxy:x opens x itself.
 */
typedef int table_proxy_ask(const char *spec, struct span key, struct text *value, struct fault *);
void table_use_proxy(table_proxy_ask *);

/* Whom to ask for tables that a server answers: every program that opens tables, first of all. */
void table_use_remote(table_proxy_ask *);

/* proxymap alone: the modules that ask servers themselves; ended by NULL. */
struct table_type;
void table_use_modules(const struct table_type *const *);
const char *table_remote_at(size_t index);          /* the names of those types that this build can ask */
bool        table_is_remote(struct span spec);       /* "mysql:x"; not "ldap://host", not "proxy:mysql:x" */

/* unix: asks getpwnam and getgrnam each time instead of a snapshot: for proxymap and
 * commands, which may.  Before tables are opened. */
void table_ask_names(bool live);

/* For match.h: elements type:table. */
extern const struct match_tables match_tables;

/*
 * table_list - the tables of one *_maps parameter, asked in order
 */
struct table_list;

struct table_list *table_list_open(const struct list *specs, struct fault *);   /* empty is fine */
void   table_list_close(struct table_list *);
size_t table_list_count(const struct table_list *);          /* NULL is fine: 0 */
struct table *table_list_at(const struct table_list *, size_t);

/* 0 found (the first table that has it; *where, when not NULL, is that table), 1, -1 why. */
WAITS int table_list_find(const struct table_list *, struct span key, struct text *value,
                          struct table **where, struct fault *);

/*
 * Addresses: which keys are tried, in order.  Pattern tables are asked for the whole key
 * only.  user+ext forms come only when the address has an extension by site.recipient_delimiter.
 *
 *   TABLE_ADDRESS    canonical(5) virtual(5) generic(5) relocated(5) *_bcc_maps
 *                    smtpd_sender_login_maps local_recipient_maps:
 *                    user+ext@domain user@domain, user+ext and user when `local`, @domain
 *   TABLE_MAILBOX    virtual(8), relay_recipient_maps, sender_dependent_*:
 *                    user+ext@domain user@domain @domain
 *   TABLE_ALIAS      aliases(5): user+ext, user; the key is a local part
 *   TABLE_TRANSPORT  transport(5): user+ext@domain user@domain domain, parents as .domain
 *                    (or domain with `parents_plain`), *
 *   TABLE_ACCESS     access(5), a mail address: user+ext@domain user@domain domain, parents,
 *                    user+ext@ user@
 *   TABLE_DOMAIN     access(5), a host name; domain-keyed maps: domain, parents
 *   TABLE_IP         access(5), a client address: 192.0.2.7 192.0.2 192.0 192; IPv6 by colons
 */
enum table_order {
	TABLE_ADDRESS, TABLE_MAILBOX, TABLE_ALIAS, TABLE_TRANSPORT, TABLE_ACCESS, TABLE_DOMAIN, TABLE_IP
};

struct table_query {
	enum table_order order;
	bool             local;           /* ADDRESS: the domain is myorigin, mydestination or [our ip] */
	bool             parents_plain;   /* the feature is in parent_domain_matches_subdomains */
};

struct table_match {
	struct table *table;
	struct text   value;        /* owned by the caller: text_free */
	struct text   extension;    /* "+ext" when a key without it matched (to be propagated), else empty */
	bool          catch_all;    /* "@domain" or "*" matched */
};

WAITS int table_list_find_address(const struct table_list *, const struct table_query *,
                                  struct span address, struct table_match *, struct fault *);

/* The local part split at the first recipient delimiter by Postfix's rules (owner-x and
 * x-request are whole when the delimiter is '-'; double-bounce and mailer-daemon too):
 * -1 when there is none, else its index. */
ptrdiff_t address_delimiter(struct span local_part);

#endif
