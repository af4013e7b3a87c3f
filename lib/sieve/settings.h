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
	const char *forbid_add, *forbid_delete, *special_use, *extensions, *global_extensions;
	const char *user_email, *redirect_from, *notify_from;
	bool        vacation_any_recipient, vacation_from_recipient;
	struct sieve_scanner spam, virus;
	struct sieve_program_settings { const char *directory, *socket_directory; int64_t limit_ms; int line_end; } program[SIEVE_PROGRAMS];
};
extern struct sieve_settings sieve_settings;

/* A user's own parameters, from the userdb: "name=value" joined by TAB. For a process that serves nobody else from then on. */
#define SIEVE_OWN "sieve", "sieve_default", "sieve_user_log", "sieve_user_email"
void sieve_settings_own(struct span fields);
bool sieve_settings_filter(struct span fields);       /* whether there is a sieve= for him */

/* Where a scanner's verdict stands in the header (RFC 5235), under Pigeonhole's names. */
#define SCANNER(prefix, to, what)                                                                                     \
	RAW(prefix "status_type", &to.status_type, "score", "how it tells of " what ": score, strlen (the length of the value), or text"), \
	RAW(prefix "status_header", &to.status_header, "", "NAME, or NAME: REGEXP, of the field that tells of " what "; empty: untested"), \
	RAW(prefix "max_value", &to.max_value, "", "the score, or length, that is the most"),                          \
	RAW(prefix "max_header", &to.max_header, "", "or the field, as status_header, that tells it")
#define SCANNER_TEXT(name, to) RAW(name, &to, "", "the text that means this value")
#define SPAM_TEXTS \
	SCANNER_TEXT("sieve_spamtest_text_value0", sieve_settings.spam.text[0]), SCANNER_TEXT("sieve_spamtest_text_value1", sieve_settings.spam.text[1]), \
	SCANNER_TEXT("sieve_spamtest_text_value2", sieve_settings.spam.text[2]), SCANNER_TEXT("sieve_spamtest_text_value3", sieve_settings.spam.text[3]), \
	SCANNER_TEXT("sieve_spamtest_text_value4", sieve_settings.spam.text[4]), SCANNER_TEXT("sieve_spamtest_text_value5", sieve_settings.spam.text[5]), \
	SCANNER_TEXT("sieve_spamtest_text_value6", sieve_settings.spam.text[6]), SCANNER_TEXT("sieve_spamtest_text_value7", sieve_settings.spam.text[7]), \
	SCANNER_TEXT("sieve_spamtest_text_value8", sieve_settings.spam.text[8]), SCANNER_TEXT("sieve_spamtest_text_value9", sieve_settings.spam.text[9]), \
	SCANNER_TEXT("sieve_spamtest_text_value10", sieve_settings.spam.text[10])
#define VIRUS_TEXTS \
	SCANNER_TEXT("sieve_virustest_text_value0", sieve_settings.virus.text[0]), SCANNER_TEXT("sieve_virustest_text_value1", sieve_settings.virus.text[1]), \
	SCANNER_TEXT("sieve_virustest_text_value2", sieve_settings.virus.text[2]), SCANNER_TEXT("sieve_virustest_text_value3", sieve_settings.virus.text[3]), \
	SCANNER_TEXT("sieve_virustest_text_value4", sieve_settings.virus.text[4]), SCANNER_TEXT("sieve_virustest_text_value5", sieve_settings.virus.text[5])

/* Pigeonhole's extprograms. */
#define SIEVE_PROGRAM_ROWS(verb, to)                                                                                  \
	RAW("sieve_" verb "_bin_dir", &to.directory, "", "directory of the programs that " verb " (vnd.dovecot." verb ") may run, as the user, where sieve_extensions or sieve_global_extensions names that; empty: none"), \
	RAW("sieve_" verb "_socket_dir", &to.socket_directory, "", "not supported: refused when set"),          \
	DURATION("sieve_" verb "_exec_timeout", &to.limit_ms, "10s", "1s", "10m", "such a program is ended after this"), \
	CHOICE("sieve_" verb "_input_eol", &to.line_end, "crlf", "crlf lf", "how lines of what it reads end")

#define SIEVE_ROWS SIEVE_SCRIPT_ROWS, \
	RAW("imap_special_use", &sieve_settings.special_use, "Archive=\\Archive Drafts=\\Drafts Junk=\\Junk Sent=\\Sent Trash=\\Trash", \
		"mailboxes (as clients name them) and what they are for (RFC 6154): NAME=\\Use ..."), \
	BOOLEAN("lda_mailbox_autocreate", &sieve_settings.autocreate, "no", "fileinto makes mailboxes, and so does lmtp_save_to_detail_mailbox"), \
	BOOLEAN("lda_mailbox_autosubscribe", &sieve_settings.autosubscribe, "no", "and subscribes to those that it makes")

#define SIEVE_SCRIPT_ROWS                                                                                                    \
	RAW("sieve", &sieve_settings.location, "file:~/sieve;active=~/.dovecot.sieve", "where a user's Sieve scripts are; empty: no Sieve. The userdb's sieve= goes before it"), \
	RAW("sieve_user_log", &sieve_settings.user_log, "", "where a user finds what was wrong with his script; empty: beside the active one"), \
	RAW("sieve_global", &sieve_settings.global, "", "directory of scripts for include :global"),               \
	RAW("sieve_default", &sieve_settings.fallback, "", "the script of users who have none"),                   \
	STRING("sieve_default_name", &sieve_settings.fallback_name, "", "the name under which ManageSieve shows it"), \
	LIST("sieve_before", &sieve_settings.before, "", "scripts, or directories of them, that run before a user's"), \
	LIST("sieve_after", &sieve_settings.after, "", "scripts, or directories of them, that run after a user's"), \
	NUMBER("sieve_max_actions", &sieve_settings.actions, "32", "1", "1000", "actions for one message, and programs that filter and execute run for it"),          \
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
	RAW("sieve_extensions", &sieve_settings.extensions, "", "what scripts may require: empty all but what runs programs (vnd.dovecot.pipe, .filter, .execute); +x -y that and x, but not y; x y only these"), \
	RAW("sieve_global_extensions", &sieve_settings.global_extensions, "", "what sieve_before, sieve_after and scripts of sieve_global may besides: +x"), \
	RAW("sieve_user_email", &sieve_settings.user_email, "", "the user's own address (%u, %n, %d), for vacation and notify; empty: that of the envelope"), \
	RAW("sieve_redirect_envelope_from", &sieve_settings.redirect_from, "sender", "sender of what is redirected: sender, recipient, orig_recipient, user_email, postmaster or <address>; from nobody stays from nobody"), \
	RAW("sieve_notify_mailto_envelope_from", &sieve_settings.notify_from, "", "sender of notices, by the same words; empty: nobody"), \
	BOOLEAN("sieve_vacation_dont_check_recipient", &sieve_settings.vacation_any_recipient, "no", "answer though no field of the message names the recipient"), \
	BOOLEAN("sieve_vacation_send_from_recipient", &sieve_settings.vacation_from_recipient, "no", "answers are sent by the recipient, not by nobody"), \
	BYTES("sieve_editheader_max_header_size", &sieve_settings.header_size, "2k", "1k", "64k", "the largest header field that addheader adds"), \
	STRING("sieve_editheader_forbid_add", &sieve_settings.forbid_add, "", "header fields that addheader must not add"), \
	STRING("sieve_editheader_forbid_delete", &sieve_settings.forbid_delete, "", "header fields that deleteheader must not delete; Received, Auto-Submitted, Delivered-To and X-Sieve-Redirected-From never"), \
	SCANNER("sieve_spamtest_", sieve_settings.spam, "spam"), SPAM_TEXTS, SCANNER("sieve_virustest_", sieve_settings.virus, "viruses"), VIRUS_TEXTS, \
	SIEVE_PROGRAM_ROWS("pipe", sieve_settings.program[SIEVE_PROGRAM_PIPE]), SIEVE_PROGRAM_ROWS("filter", sieve_settings.program[SIEVE_PROGRAM_FILTER]), \
	SIEVE_PROGRAM_ROWS("execute", sieve_settings.program[SIEVE_PROGRAM_EXECUTE])

void sieve_settings_limits(struct sieve_limits *);
/* Names in the parameters that mean nothing: told in the log, once, by who prepares. */
void sieve_settings_check(void);

/* As whom a name is expanded. */
struct sieve_user { struct span name, home; };
/* -1: %x is not known, or ~ without a home. */
int sieve_expand(struct span setting, const struct sieve_user *, struct text *out, struct fault *);

/* Where a user's scripts are. `directory` is empty when there is but one file, `active` when there is no Sieve;
 * `fallback` is sieve_default. */
struct sieve_place { struct text directory, active, fallback; };
int  sieve_place(const struct sieve_user *, struct sieve_place *, struct fault *);
void sieve_place_free(struct sieve_place *);

/* May this be the name of a script (RFC 5804, 1.6; and of a file)? */
bool sieve_name_valid(struct span name);

/* A script file, whoever's it is: 0, 1 there is none, -1.  Not above sieve_max_script_size; regular files only. */
int sieve_read(const char *path, struct text *out, struct fault *);

#endif
