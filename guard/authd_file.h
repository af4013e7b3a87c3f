/* SPDX-License-Identifier: ISC */
/*
 * authd_file.h - a passwd-file in Dovecot's format
 *
 *   user:password:uid:gid:gecos:home:shell:extra fields
 *
 * Later fields may be missing. Extra fields are blank separated: userdb_mail=,
 * userdb_home=, userdb_uid=, userdb_gid=, userdb_quota_rule=, userdb_quota_rule2= ..., mail=, allow_nets= (comma separated networks),
 * userdb_acl_groups= (comma separated), userdb_admin=y, userdb_sieve=, userdb_sieve_default=, userdb_sieve_user_log=, userdb_sieve_user_email=,
 * nologin, nopassword, user= (whom he becomes), nodelay, and where his mailbox is (proxy=, host= ...: authd_route.h). A field that would restrict and is not
 * known denies the login; one with userdb_ that is not known is told in the log.
 */
#ifndef GUARD_AUTHD_FILE_H
#define GUARD_AUTHD_FILE_H

#include "base/arena.h"
#include "base/strmap.h"
#include "base/text.h"

struct passwd_entry {
	struct span password, uid, gid, home, mail, user, allow_nets, unknown;     /* user: his real name, or empty */
	struct span quota;            /* userdb_quota_rule...=: "quota_rule=..", joined by TAB */
	struct span groups;           /* userdb_acl_groups */
	struct span sieve;            /* userdb_sieve...=: as quota */
	struct span route;            /* proxy=y, host= and its like (authd_route.h): "name=value", joined by TAB */
	struct span ignored;          /* names of what a userdb says and is not known, with blanks between */
	bool        nologin, nopassword;
	bool        admin;            /* userdb_admin: he may set limits */
	bool        has_nets;         /* allow_nets is there; empty allows none */
};

struct passwd_file {
	struct arena  *arena;
	struct strmap *entries;       /* user -> struct passwd_entry */
	size_t         skipped;       /* lines without a user */
};

/* Fields by name, as extra fields and a database's columns have them; values are borrowed. */
void passwd_entry_empty(struct passwd_entry *);
void passwd_entry_passdb(struct arena *, struct passwd_entry *, struct span name, struct span value);
void passwd_entry_userdb(struct arena *, struct passwd_entry *, struct span name, struct span value);

struct passwd_file *passwd_file_parse(struct span);   /* owned; pure */
void passwd_file_free(struct passwd_file *);
const struct passwd_entry *passwd_file_find(const struct passwd_file *, const char *user);

#endif
