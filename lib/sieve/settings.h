/* SPDX-License-Identifier: ISC */
/*
 * settings.h - the parameters of Sieve, under Pigeonhole's names, and where a user's scripts are
 *
 *   sieve = file:~/sieve;active=~/.dovecot.sieve     a directory NAME.sieve ..., and a link to the active one
 *   sieve = ~/.dovecot.sieve                         one file; ManageSieve and include have nothing
 *   sieve =                                          no Sieve
 *
 * In sieve, sieve_user_log, sieve_before, sieve_after, sieve_default and sieve_global %u is the user,
 * %n and %d what stands before and behind the last @, %h and ~ the home directory.
 */
#ifndef SIEVE_SETTINGS_H
#define SIEVE_SETTINGS_H

#include "config/param.h"
#include "sieve/sieve.h"

struct sieve_settings {
	const char *location, *user_log, *global, *fallback, *fallback_name;
	struct list before, after;
	int         actions, redirects, quota_scripts;
	int64_t     script_size, cpu_ms, quota_storage;
	int64_t     vacation_least, vacation_most, vacation_default, duplicate_default, duplicate_most;
	bool        autocreate, autosubscribe;
	int64_t     header_size;
	const char *forbid_add, *forbid_delete;
};
extern struct sieve_settings sieve_settings;

#define SIEVE_ROWS                                                                                                    \
	RAW("sieve", &sieve_settings.location, "file:~/sieve;active=~/.dovecot.sieve", "where a user's Sieve scripts are; empty: no Sieve"), \
	RAW("sieve_user_log", &sieve_settings.user_log, "", "where a user finds what was wrong with his script; empty: beside the active one"), \
	RAW("sieve_global", &sieve_settings.global, "", "directory of scripts for include :global"),               \
	RAW("sieve_default", &sieve_settings.fallback, "", "the script of users who have none"),                   \
	STRING("sieve_default_name", &sieve_settings.fallback_name, "", "the name under which ManageSieve shows it"), \
	LIST("sieve_before", &sieve_settings.before, "", "scripts, or directories of them, that run before a user's"), \
	LIST("sieve_after", &sieve_settings.after, "", "scripts, or directories of them, that run after a user's"), \
	NUMBER("sieve_max_actions", &sieve_settings.actions, "32", "1", "1000", "actions of one script"),          \
	NUMBER("sieve_max_redirects", &sieve_settings.redirects, "4", "0", "100", "redirects of one message"),     \
	BYTES("sieve_max_script_size", &sieve_settings.script_size, "1M", "1k", "16M", "the largest script"),      \
	DURATION("sieve_max_cpu_time", &sieve_settings.cpu_ms, "30s", "1s", "300s", "CPU time of all scripts for one message"), \
	NUMBER("sieve_quota_max_scripts", &sieve_settings.quota_scripts, "0", "0", "", "scripts of a user, 0 for no limit"), \
	BYTES("sieve_quota_max_storage", &sieve_settings.quota_storage, "0", "0", "", "size of all scripts of a user, 0 for no limit"), \
	DURATION("sieve_vacation_min_period", &sieve_settings.vacation_least, "1d", "0s", "", "a sender is not answered more often"), \
	DURATION("sieve_vacation_max_period", &sieve_settings.vacation_most, "0s", "0s", "", "a sender is answered again after this at the latest, 0 for no limit"), \
	DURATION("sieve_vacation_default_period", &sieve_settings.vacation_default, "7d", "1s", "", "without :days and :seconds"), \
	DURATION("sieve_duplicate_default_period", &sieve_settings.duplicate_default, "12h", "1s", "", "how long duplicate remembers"), \
	DURATION("sieve_duplicate_max_period", &sieve_settings.duplicate_most, "2d", "1s", "", "and how long at most"), \
	BYTES("sieve_editheader_max_header_size", &sieve_settings.header_size, "2k", "1k", "64k", "the largest header field that addheader adds"), \
	STRING("sieve_editheader_forbid_add", &sieve_settings.forbid_add, "", "header fields that addheader must not add"), \
	STRING("sieve_editheader_forbid_delete", &sieve_settings.forbid_delete, "", "header fields that deleteheader must not delete; Received, Auto-Submitted, Delivered-To and X-Sieve-Redirected-From never"), \
	BOOLEAN("lda_mailbox_autocreate", &sieve_settings.autocreate, "no", "fileinto makes mailboxes"),           \
	BOOLEAN("lda_mailbox_autosubscribe", &sieve_settings.autosubscribe, "no", "and subscribes to those that it makes")

void sieve_settings_limits(struct sieve_limits *);

/* As whom a name is expanded. */
struct sieve_user { struct span name, home; };
/* -1: %x is not known, or ~ without a home. */
int sieve_expand(struct span setting, const struct sieve_user *, struct text *out, struct fault *);

/* Where a user's scripts are. `directory` is empty when there is but one file, `active` when there is no Sieve. */
struct sieve_place { struct text directory, active; };
int  sieve_place(const struct sieve_user *, struct sieve_place *, struct fault *);
void sieve_place_free(struct sieve_place *);

/* May this be the name of a script (RFC 5804, 1.6; and of a file)? */
bool sieve_name_valid(struct span name);

/* A script file, whoever's it is: 0, 1 there is none, -1.  Not above sieve_max_script_size; regular files only. */
int sieve_read(const char *path, struct text *out, struct fault *);

#endif
