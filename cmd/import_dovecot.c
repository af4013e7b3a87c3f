/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot.c - what a Dovecot does, as lines of main.cf and master.cf
 *
 *   doveconf -n | import-dovecot        main.cf
 *   doveconf -n | import-dovecot -m     master.cf
 *
 * Each setting has a line here, needs none, or is named in a comment as without equal: nothing is dropped
 * in silence.  Exit status 1 says that there was such a one.  The input is the administrator's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/pages.h"

enum { INPUT_MOST = 4 << 20, DEPTH = 12, ENTRIES = 4000 };

struct entry {
	char *block;          /* "", "plugin", "passdb#2", "namespace inbox/mailbox Trash" */
	char *key, *value;
	bool  done;
};

static struct entry entries[ENTRIES];
static size_t       count;
static int          without_equal;

/* ------------------------------------------------------------ reading */

static void
add_entry(const struct text *block, struct span line)
{
	struct span key;

	if (count == ENTRIES)
		log_fatal("more than %d settings", ENTRIES);
	span_split(&line, '=', &key);
	line = span_trim(line);
	if (line.len > 1 && line.at[0] == '"' && line.at[line.len - 1] == '"')
		line = span_cut(line, 1, line.len - 1);
	entries[count++] = (struct entry){mem_string(text_string(block)), mem_span(span_trim(key)), mem_span(span_trim(line)), false};
}

/* Databases are asked in their order: each has a number. */
static void
enter(struct text *block, struct span name)
{
	static int databases;

	if (block->len)
		text_add_byte(block, '/');
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] != '"')
			text_add_byte(block, name.at[i]);
	if (span_is(name, "passdb") || span_is(name, "userdb") || span_is(name, "namespace"))
		text_add_format(block, "#%03d", databases++);
}

static void
read_all(struct span in)
{
	autotext struct text block = {0};
	size_t               start[DEPTH], depth = 0;
	struct span          line;

	while (span_split(&in, '\n', &line) || line.len) {
		line = span_trim(line);
		if (line.len && line.at[0] != '#') {
			if (span_is(line, "}") && depth > 0) {
				text_cut(&block, start[--depth]);
			} else if (span_ends(line, "{") && depth < DEPTH) {
				start[depth++] = block.len;
				enter(&block, span_trim(span_first(line, line.len - 1)));
			} else {
				add_entry(&block, line);
			}
		}
		if (!in.len)
			break;
	}
}

static const char *
get(const char *block, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].block, block) == 0 && strcmp(entries[i].key, key) == 0) {
			entries[i].done = true;
			return entries[i].value;
		}
	return NULL;
}

/* ------------------------------------------------------------ writing */

static void __attribute__((format(printf, 1, 2)))
no_equal(const char *format, ...)
{
	va_list args;

	printf("# NO EQUAL: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	without_equal++;
}

/* "2 mins" is 2m here. */
static void
print_time(const char *name, const char *value)
{
	static const char *const units[][2] = {{"sec", "s"}, {"min", "m"}, {"hour", "h"}, {"day", "d"}, {"week", "w"}};
	char                    *end;
	long                     n = strtol(value, &end, 10);

	while (*end == ' ')
		end++;
	for (size_t i = 0; i < COUNT(units); i++)
		if (strncmp(end, units[i][0], 3) == 0 || strcmp(end, units[i][1]) == 0) {
			printf("%s = %ld%s\n", name, n, units[i][1]);
			return;
		}
	printf("%s = %lds\n", name, n);
}

/* Percent signs are doubled in Dovecot's plugin block; sizes are as here ("10 M"). */
static void
put_value(const char *value)
{
	for (const char *c = value; *c; c++) {
		if (c[0] == '%' && c[1] == '%')
			c++;
		putchar(*c);
	}
}

static void
print_plain(const char *name, const char *value)
{
	printf("%s = ", name);
	put_value(value);
	putchar('\n');
}

static void
print_size(const char *name, const char *value)
{
	char *end;
	long long n = strtoll(value, &end, 10);

	while (*end == ' ')
		end++;
	printf("%s = %lld%.1s\n", name, n, *end == 'B' || *end == 'b' ? "" : end);
}

/* ------------------------------------------------------------ settings that are ours under the same name */

enum kind { PLAIN, TIME, SIZE, FREE };      /* FREE: needs nothing here */

static const struct setting { const char *block, *key; enum kind kind; } settings[] = {
	{"", "disable_plaintext_auth", PLAIN}, {"", "first_valid_uid", PLAIN}, {"", "last_valid_uid", PLAIN},
	{"", "first_valid_gid", PLAIN}, {"", "auth_default_realm", PLAIN}, {"", "auth_username_format", PLAIN},
	{"", "auth_ssl_require_client_cert", PLAIN}, {"", "auth_ssl_username_from_cert", PLAIN}, {"", "ssl_cert_username_field", PLAIN},
	{"", "auth_failure_delay", TIME}, {"", "mail_max_keyword_length", PLAIN},
	{"", "mail_server_admin", PLAIN}, {"", "mail_server_comment", PLAIN},
	{"protocol imap", "imap_idle_notify_interval", TIME}, {"", "imap_idle_notify_interval", TIME},
	{"", "imap_hibernate_timeout", TIME}, {"protocol imap", "imap_hibernate_timeout", TIME},
	{"", "imap_max_line_length", SIZE}, {"protocol imap", "imap_max_line_length", SIZE},
	{"", "pop3_uidl_format", PLAIN}, {"protocol pop3", "pop3_uidl_format", PLAIN},
	{"", "pop3_no_flag_updates", PLAIN}, {"protocol pop3", "pop3_no_flag_updates", PLAIN},
	{"", "pop3_save_uidl", PLAIN}, {"protocol pop3", "pop3_save_uidl", PLAIN},
	{"", "pop3_fast_size_lookups", PLAIN}, {"protocol pop3", "pop3_fast_size_lookups", PLAIN},
	{"", "pop3_deleted_flag", PLAIN}, {"protocol pop3", "pop3_deleted_flag", PLAIN},
	{"", "mail_max_size", SIZE}, {"", "quota_full_tempfail", PLAIN}, {"protocol lda", "quota_full_tempfail", PLAIN},
	{"plugin", "quota", PLAIN}, {"plugin", "quota_grace", PLAIN}, {"plugin", "quota_exceeded_message", PLAIN},
	{"plugin", "quota_max_mail_size", SIZE}, {"plugin", "quota_status_success", PLAIN},
	{"plugin", "quota_status_nouser", PLAIN}, {"plugin", "quota_status_overquota", PLAIN},
	{"plugin", "quota_status_toolarge", PLAIN}, {"plugin", "acl", PLAIN}, {"plugin", "acl_shared_dict", PLAIN}, {"plugin", "acl_anyone", PLAIN},
	{"plugin", "quota_rule", PLAIN}, {"plugin", "quota_rule2", PLAIN}, {"plugin", "quota_rule3", PLAIN},
	{"plugin", "quota_rule4", PLAIN}, {"plugin", "quota_rule5", PLAIN}, {"plugin", "quota_rule6", PLAIN},
	{"plugin", "quota_rule7", PLAIN}, {"plugin", "quota_rule8", PLAIN}, {"plugin", "quota_rule9", PLAIN},
	{"plugin", "lazy_expunge", PLAIN}, {"plugin", "lazy_expunge_only_last_instance", PLAIN},
	{"plugin", "lazy_expunge_exclude", PLAIN}, {"plugin", "lazy_expunge_exclude2", PLAIN}, {"plugin", "lazy_expunge_exclude3", PLAIN},
	{"plugin", "lazy_expunge_exclude4", PLAIN}, {"plugin", "lazy_expunge_exclude5", PLAIN}, {"plugin", "lazy_expunge_exclude6", PLAIN},
	{"plugin", "lazy_expunge_exclude7", PLAIN}, {"plugin", "lazy_expunge_exclude8", PLAIN}, {"plugin", "lazy_expunge_exclude9", PLAIN},
	/* Sieve */
	{"plugin", "sieve", PLAIN}, {"plugin", "sieve_user_log", PLAIN},
	{"plugin", "sieve_global", PLAIN}, {"plugin", "sieve_default", PLAIN},
	{"plugin", "sieve_default_name", PLAIN}, {"plugin", "sieve_before", FREE},
	{"plugin", "sieve_after", FREE}, {"plugin", "sieve_max_actions", PLAIN},
	{"plugin", "sieve_max_redirects", PLAIN}, {"plugin", "sieve_quota_max_scripts", PLAIN},
	{"plugin", "sieve_max_cpu_time", TIME}, {"plugin", "sieve_vacation_min_period", TIME},
	{"plugin", "sieve_vacation_max_period", TIME}, {"plugin", "sieve_vacation_default_period", TIME},
	{"plugin", "sieve_duplicate_default_period", TIME}, {"plugin", "sieve_duplicate_max_period", TIME},
	{"plugin", "sieve_max_script_size", SIZE}, {"plugin", "sieve_quota_max_storage", SIZE},
	{"plugin", "sieve_editheader_max_header_size", SIZE}, {"plugin", "sieve_editheader_forbid_add", PLAIN},
	{"plugin", "sieve_editheader_forbid_delete", PLAIN},
	{"plugin", "sieve_extensions", PLAIN}, {"plugin", "sieve_global_extensions", PLAIN},
	{"plugin", "sieve_user_email", PLAIN}, {"plugin", "sieve_redirect_envelope_from", PLAIN},
	{"plugin", "sieve_notify_mailto_envelope_from", PLAIN}, {"plugin", "sieve_vacation_dont_check_recipient", PLAIN},
	{"plugin", "sieve_vacation_send_from_recipient", PLAIN}, {"plugin", "sieve_vacation_use_original_recipient", FREE},
	{"", "recipient_delimiter", PLAIN},
	{"plugin", "sieve_spamtest_status_type", PLAIN}, {"plugin", "sieve_spamtest_status_header", PLAIN},
	{"plugin", "sieve_spamtest_max_value", PLAIN}, {"plugin", "sieve_spamtest_max_header", PLAIN},
	{"plugin", "sieve_virustest_status_type", PLAIN}, {"plugin", "sieve_virustest_status_header", PLAIN},
	{"plugin", "sieve_virustest_max_value", PLAIN}, {"plugin", "sieve_virustest_max_header", PLAIN},
	{"", "lda_mailbox_autocreate", PLAIN}, {"", "lda_mailbox_autosubscribe", PLAIN},
	{"protocol lda", "lda_mailbox_autocreate", PLAIN}, {"protocol lda", "lda_mailbox_autosubscribe", PLAIN},
	{"protocol lmtp", "lda_mailbox_autocreate", PLAIN}, {"protocol lmtp", "lda_mailbox_autosubscribe", PLAIN},
	/* what Dovecot needs for itself, or what is always so here */
	{"", "mail_access_groups", PLAIN}, {"", "mail_privileged_group", FREE}, {"", "ssl_dh", FREE},
	{"", "ssl_client_ca_dir", FREE}, {"", "ssl_client_ca_file", FREE}, {"", "ssl_prefer_server_ciphers", FREE},
	{"", "listen", FREE}, {"", "log_path", FREE}, {"", "info_log_path", FREE}, {"", "debug_log_path", FREE},
	{"", "syslog_facility", FREE}, {"", "log_timestamp", FREE}, {"", "base_dir", FREE}, {"", "state_dir", FREE},
	{"", "default_internal_user", FREE}, {"", "default_login_user", FREE}, {"", "default_internal_group", FREE},
	{"", "default_process_limit", FREE}, {"", "default_client_limit", FREE}, {"", "default_vsz_limit", FREE},
	{"", "maildir_stat_dirs", FREE}, {"", "maildir_very_dirty_syncs", FREE}, {"", "maildir_copy_with_hardlinks", FREE},
	{"", "mail_fsync", FREE}, {"", "mmap_disable", FREE}, {"", "lock_method", FREE}, {"", "dotlock_use_excl", FREE},
	{"", "managesieve_notify_capability", FREE}, {"", "managesieve_sieve_capability", FREE},
	{"", "shutdown_clients", FREE}, {"", "verbose_proctitle", FREE}, {"", "auth_cache_size", SIZE},
	{"", "auth_cache_ttl", TIME}, {"", "auth_master_user_separator", PLAIN}, {"", "auth_username_chars", PLAIN}, {"", "auth_cache_negative_ttl", FREE}, {"", "auth_worker_max_count", FREE},
	{"", "hostname", FREE}, {"", "postmaster_address", FREE}, {"", "login_trusted_networks", FREE},
	{"protocol imap", "mail_plugins", FREE}, {"", "mail_plugins", FREE}, {"protocol pop3", "mail_plugins", FREE},
	{"protocol lda", "mail_plugins", FREE}, {"protocol lmtp", "mail_plugins", FREE},
};

/* A setting of a plugin that is not loaded does nothing there. */
static bool
loads(const char *plugin)
{
	for (size_t i = 0; i < count; i++) {
		struct span rest = span_of(entries[i].value), word;

		if (strcmp(entries[i].key, "mail_plugins") == 0)
			while (span_next(&rest, " \t", &word))
				if (span_is(word, plugin))
					return true;
	}
	return false;
}

static void
print_settings(bool print)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < COUNT(settings); k++) {
			const struct setting *s = &settings[k];
			const char           *v = entries[i].value;

			if (strcmp(entries[i].block, s->block) != 0 || strcmp(entries[i].key, s->key) != 0)
				continue;
			entries[i].done = true;
			if (strcmp(s->key, "mail_plugins") == 0) { /* each is told where its own settings are */
				entries[i].done = true;
			} else if (strncmp(s->key, "lazy_expunge", 12) == 0 && !loads("lazy_expunge")) {
				if (print)
					printf("# %s = %s: its plugin is not loaded\n", s->key, v);
			} else if (strcmp(s->key, "lazy_expunge") == 0 && span_ends(span_of(v), "/")) {
				entries[i].done = false; /* a namespace */
			} else if (strcmp(s->key, "login_trusted_networks") == 0 && print) {
				no_equal("login_trusted_networks = %s", v);
			} else if ((strcmp(s->key, "acl") == 0 && strcmp(v, "vfile") != 0 && strncmp(v, "vfile:/", 7) != 0)
				|| (strcmp(s->key, "acl_shared_dict") == 0 && strncmp(v, "file:/", 6) != 0)) {
				entries[i].done = false;
			} else if (strcmp(s->key, "quota") == 0 && strncmp(v, "maildir:", 8) != 0 && strncmp(v, "count:", 6) != 0) {
				entries[i].done = false;
			} else if (print && s->kind == PLAIN) {
				print_plain(s->key, v);
			} else if (print && s->kind == TIME) {
				print_time(s->key, v);
			} else if (print && s->kind == SIZE) {
				print_size(s->key, v);
			}
		}
}

/* sieve_before, sieve_before2 ...: one list here, in the order of their numbers.  And the texts of scanners. */
static void
print_sieve_scripts(const char *key)
{
	bool any = false;

	for (int n = 1; n < 100; n++) {
		autofree char *name = n == 1 ? mem_string(key) : mem_format("%s%d", key, n);
		const char    *value = get("plugin", name);

		if (!value)
			continue;
		if (!any)
			printf("%s =", key);
		any = true;
		putchar(' ');
		put_value(value);
	}
	if (any)
		putchar('\n');
}

static void
print_scanner_texts(void)
{
	for (size_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];

		if (strcmp(e->block, "plugin") != 0 || (strncmp(e->key, "sieve_spamtest_text_value", 25) != 0 &&
		    strncmp(e->key, "sieve_virustest_text_value", 26) != 0))
			continue;
		e->done = true;
		print_plain(e->key, e->value);
	}
}

/* ------------------------------------------------------------ who users are */

static void
add_defaults(const char *block, struct text *out)
{
	static const char *const known[] = {"uid=", "gid=", "home=", "mail=", "quota_rule="};
	const char              *fields = get(block, "default_fields"), *uid = get("", "mail_uid"), *gid = get("", "mail_gid");
	struct span              rest = span_of(fields ? fields : ""), word;
	bool                     had_uid = false, had_gid = false;

	while (span_next(&rest, " ", &word)) {
		bool is_known = false;

		for (size_t i = 0; i < COUNT(known); i++)
			is_known |= span_starts(word, known[i]);
		if (is_known)
			text_add_format(out, " %.*s", SPAN_ARGS(word));
		else
			no_equal("%s: default_fields = %.*s", block, SPAN_ARGS(word));
		had_uid |= span_starts(word, "uid=");
		had_gid |= span_starts(word, "gid=");
	}
	if (uid && !had_uid)
		text_add_format(out, " uid=%s", uid);
	if (gid && !had_gid)
		text_add_format(out, " gid=%s", gid);
}

/* For whom a passdb is asked, and what follows (authd_rules.h); what it shares with Dovecot's default says nothing. */
static void
add_rules(const char *block, struct text *out)
{
	static const struct { const char *name; bool list; } words[] = {
		{"deny", false}, {"pass", false}, {"skip", false}, {"result_success", false}, {"result_failure", false},
		{"result_internalfail", false}, {"mechanisms", true}, {"username_filter", true},
	};

	get(block, "name"), get(block, "auth_verbose");
	for (size_t i = 0; i < COUNT(words); i++) {
		const char *value = get(block, words[i].name);

		if (value && *value)
			text_add_format(out, words[i].list ? " %s={%s}" : " %s=%s", words[i].name, value);
	}
}

static void
database(const char *block, bool passdb, struct text *out)
{
	const char          *driver = get(block, "driver"), *args = get(block, "args");
	struct span          rest = span_of(args ? args : ""), word;
	autotext struct text one = {0}, options = {0};

	driver = driver ? driver : "";
	if (strcmp(driver, "passwd-file") == 0) {
		struct span path = SPAN_NONE;

		while (span_next(&rest, " ", &word)) {
			if (span_starts(word, "/"))
				path = word;
			else if (span_starts(word, "scheme="))
				text_add_format(&options, " %.*s", SPAN_ARGS(word));
			else if (span_starts(word, "username_format=") && !span_is(word, "username_format=%u"))
				no_equal("%s: %.*s (auth_username_format holds for all)", driver, SPAN_ARGS(word));
		}
		if (span_has(path, '%')) {
			no_equal("%s %.*s: one file for all users is read", driver, SPAN_ARGS(path));
			return;
		}
		text_add_format(&one, "passwd-file:%.*s%s", SPAN_ARGS(path), text_string(&options));
	} else if (passdb && strcmp(driver, "pam") == 0) {
		struct span service = SPAN("dovecot");

		while (span_next(&rest, " ", &word))
			if (span_starts(word, "%") || span_is(word, "*"))
				no_equal("pam service %.*s: the service dovecot is used", SPAN_ARGS(word));
			else if (!span_has(word, '='))
				service = word;
		text_add_format(&one, "pam:%.*s", SPAN_ARGS(service));
	} else if (strcmp(driver, "sql") == 0 || strcmp(driver, "ldap") == 0) {
		text_add_format(&one, "%s:%s", driver, args ? args : "");
	} else if (!passdb && strcmp(driver, "prefetch") == 0) {
		text_add_string(&one, "prefetch");
	} else if (passdb && strcmp(driver, "oauth2") == 0) {
		text_add_format(&one, "oauth2:%s", args ? args : "");
	} else if (!passdb && strcmp(driver, "passwd") == 0) {
		text_add_string(&one, "passwd");
	} else if (strcmp(driver, "static") == 0) {
		text_add_string(&one, "static:");
		while (span_next(&rest, " ", &word))
			if (!span_starts(word, "nopassword"))
				text_add_format(&one, "%s%.*s", one.at[one.len - 1] == ':' ? "" : " ", SPAN_ARGS(word));
			else
				text_add_format(&one, "%snopassword=y", one.at[one.len - 1] == ':' ? "" : " ");
	} else {
		no_equal("%s %s %s", passdb ? "passdb" : "userdb", driver, args ? args : "");
		return;
	}
	if (passdb)
		add_rules(block, &one);
	else if (strcmp(driver, "passwd") != 0)
		add_defaults(block, &one);
	text_add_format(out, "%s%s", out->len ? ", " : "", text_string(&one));
}

static bool
is_master(const char *block)
{
	const char *master = get(block, "master");

	return master && strcmp(master, "yes") == 0;
}

static void
print_databases(void)
{
	autotext struct text passdbs = {0}, userdbs = {0}, masters = {0};

	for (size_t i = 0; i < count; i++) {
		bool passdb = strncmp(entries[i].block, "passdb#", 7) == 0;

		if ((passdb || strncmp(entries[i].block, "userdb#", 7) == 0) && !strchr(entries[i].block, '/')
			&& strcmp(entries[i].key, "driver") == 0)
			database(entries[i].block, passdb, !passdb ? &userdbs : is_master(entries[i].block) ? &masters : &passdbs);
	}
	if (masters.len)
		printf("auth_master_passdb = %s\n", text_string(&masters));
	if (passdbs.len)
		printf("auth_passdb = %s\n", text_string(&passdbs));
	if (userdbs.len)
		printf("auth_userdb = %s\n", text_string(&userdbs));
}

static bool
is_mechanism(struct span word)
{
	static const char *const known[] = {"plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "scram-sha-1-plus",
	                                    "scram-sha-256-plus", "external", "oauthbearer", "xoauth2"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(word, known[i]))
			return true;
	return false;
}

static void
print_mechanisms(void)
{
	const char          *value = get("", "auth_mechanisms");
	struct span          rest = span_of(value ? value : ""), word;
	autotext struct text known = {0};

	while (span_next(&rest, " ", &word))
		if (is_mechanism(word))
			text_add_format(&known, "%s%.*s", known.len ? " " : "", SPAN_ARGS(word));
		else
			no_equal("auth_mechanisms = %.*s", SPAN_ARGS(word));
	if (known.len)
		printf("auth_mechanisms = %s\n", text_string(&known));
}

/* ------------------------------------------------------------ where mail is, and its names */

static void
print_location(void)
{
	const char *where = get("", "mail_location");
	struct span rest = span_of(where ? where : ""), part;
	autotext struct text out = {0};

	if (!where)
		return;
	if (!span_starts(rest, "maildir:")) {
		no_equal("mail_location = %s: only maildir: is served", where);
		return;
	}
	rest = span_from(rest, 8);
	span_split(&rest, ':', &part);
	text_add_format(&out, "maildir:%.*s", SPAN_ARGS(part));
	while (rest.len) {
		span_split(&rest, ':', &part);
		if (span_starts(part, "INDEX="))
			text_add_format(&out, ":%.*s", SPAN_ARGS(part));
		else
			no_equal("mail_location: %.*s", SPAN_ARGS(part));
	}
	printf("mail_location = %s\n", text_string(&out));
}

static bool
is_mailbox_of(const char *block, const char *namespace)
{
	size_t len = strlen(namespace);

	return strncmp(block, namespace, len) == 0 && strncmp(block + len, "/mailbox ", 9) == 0;
}

static void
print_uses(const char *namespace, const char *prefix)
{
	autotext struct text uses = {0};

	for (size_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];
		const char   *name;

		if (!is_mailbox_of(e->block, namespace))
			continue;
		name = e->block + strlen(namespace) + 9;
		e->done = true;
		if (strcmp(e->key, "special_use") == 0 && !strchr(name, ' '))
			text_add_format(&uses, "%s%s%s=%s", uses.len ? " " : "", prefix, name, e->value);
		else if (strcmp(e->key, "special_use") == 0)
			no_equal("special_use of \"%s\": the name has a blank (CREATE ... (USE (%s)) does it)", name, e->value);
		else if (strcmp(e->key, "auto") != 0 || strcmp(e->value, "no") != 0)
			no_equal("mailbox %s { %s = %s }", name, e->key, e->value);
	}
	if (uses.len)
		printf("imap_special_use = %s\n", text_string(&uses));
}

/* "PREFIX=maildir:ROOT[:INDEXPVT=..]" of one that is shared or public; an INDEX= of all would be a cache of all. */
static bool
foreign_namespace(const char *block, const char *separator, struct text *out, bool *private)
{
	const char *prefix = get(block, "prefix"), *where = get(block, "location"), *list = get(block, "list");
	const char *own = get(block, "separator"), *subscriptions = get(block, "subscriptions"), *hidden = get(block, "hidden");
	struct span rest = span_of(where ? where : ""), part;

	get(block, "inbox"), get(block, "ignore_on_failure");
	if (strcmp(hidden ? hidden : "no", "yes") == 0)
		no_equal("%s { hidden = yes }: NAMESPACE tells it", block);
	if (!prefix || !span_starts(rest, "maildir:")) {
		no_equal("%s { prefix = %s location = %s }", block, prefix ? prefix : "", where ? where : "");
		return false;
	}
	if (own && *own && strcmp(own, separator) != 0)
		no_equal("%s { separator = %s }: there is one separator, %s", block, own, separator);
	if (list && strcmp(list, "no") == 0)
		no_equal("%s { list = no }: what may be looked up is listed", block);
	if (!subscriptions || strcmp(subscriptions, "no") != 0)
		no_equal("%s { subscriptions = yes }: they are in each user's own list", block);
	span_split(&rest, ':', &part);
	span_split(&rest, ':', &part);
	text_add_format(out, "%s=maildir:%.*s", prefix, SPAN_ARGS(part));
	*private = false;
	while (rest.len) {
		span_split(&rest, ':', &part);
		if (span_starts(part, "INDEXPVT=")) {
			text_add_format(out, ":%.*s", SPAN_ARGS(part));
			*private = true;
		} else if (!span_starts(part, "INDEX=")) {
			no_equal("%s: location: %.*s", block, SPAN_ARGS(part));
		}
	}
	return true;
}

static void
print_foreign_namespaces(const char *separator)
{
	autotext struct text shared = {0}, public = {0};
	bool                 private, all = true;

	for (size_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];
		bool          is_shared = strcmp(e->value, "shared") == 0;

		if (strncmp(e->block, "namespace", 9) != 0 || strchr(e->block, '/') || strcmp(e->key, "type") != 0
			|| (!is_shared && strcmp(e->value, "public") != 0))
			continue;
		e->done = true;
		if (is_shared && shared.len) {
			no_equal("%s: a second namespace of type shared", e->block);
			continue;
		}
		if (!is_shared && public.len)
			text_add_string(&public, "; ");
		if (foreign_namespace(e->block, separator, is_shared ? &shared : &public, &private))
			all &= private;
	}
	if (shared.len)
		printf("imap_shared_namespace = %s\n", text_string(&shared));
	if (public.len)
		printf("imap_public_namespaces = %s\n", text_string(&public));
	if (!all)
		printf("# yes: each user has a \\Seen of his own there; Dovecot has one for all without INDEXPVT=\n"
			"imap_private_seen = no\n");
}

static void
print_namespaces(void)
{
	autofree char *inbox = NULL;

	for (size_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];

		if (strncmp(e->block, "namespace", 9) != 0 || strchr(e->block, '/') || strcmp(e->key, "inbox") != 0)
			continue;
		e->done = true;
		if (strcmp(e->value, "yes") == 0 && !inbox)
			inbox = mem_string(e->block);
	}
	for (size_t i = 0; i < count && !inbox; i++) /* settings of the inbox without "inbox = yes" told */
		if (strncmp(entries[i].block, "namespace inbox", 15) == 0)
			inbox = mem_string("namespace inbox");
	if (!inbox) {
		print_foreign_namespaces(".");
		return;
	}
	const char *prefix = get(inbox, "prefix"), *separator = get(inbox, "separator"), *where = get(inbox, "location");
	const char *type = get(inbox, "type");

	(void)type;
	if (prefix && *prefix)
		printf("imap_namespace_prefix = %s\n", prefix);
	if (separator && *separator)
		printf("imap_namespace_separator = %s\n", separator);
	if (where && *where)
		no_equal("%s { location = %s }", inbox, where);
	get(inbox, "list"), get(inbox, "subscriptions"), get(inbox, "hidden");
	print_uses(inbox, prefix ? prefix : "");
	print_foreign_namespaces(separator && *separator ? separator : ".");
}

static bool
has_protocol(const char *name)
{
	const char *value = get("", "protocols");
	struct span rest = span_of(value ? value : "imap pop3"), word;

	while (span_next(&rest, " ", &word))
		if (span_is(word, name))
			return true;
	return false;
}

/* ------------------------------------------------------------ TLS */

static void
print_tls(void)
{
	const char *ssl = get("", "ssl"), *certificate = get("", "ssl_cert"), *key = get("", "ssl_key");
	const char *least = get("", "ssl_min_protocol"), *authorities = get("", "ssl_ca"), *asks = get("", "ssl_verify_client_cert");
	static const char *const prefixes[] = {"imap", "pop3", "managesieve"};

	if (ssl && strcmp(ssl, "no") == 0)
		return;
	if (ssl && strcmp(ssl, "required") == 0)
		printf("disable_plaintext_auth = yes\n");
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		if (strcmp(prefixes[i], "imap") != 0 && !has_protocol(i == 2 ? "sieve" : prefixes[i]))
			continue;
		if (certificate && *certificate == '<')
			printf("%s_tls_cert_file = %s\n", prefixes[i], certificate + 1);
		if (key && *key == '<')
			printf("%s_tls_key_file = %s\n", prefixes[i], key + 1);
		if (authorities && *authorities == '<')
			printf("%s_tls_CAfile = %s\n", prefixes[i], authorities + 1);
		if (asks && strcmp(asks, "yes") == 0)
			printf("%s_tls_ask_ccert = yes\n", prefixes[i]);
		if (least && strncmp(least, "TLSv1", 5) == 0)
			printf("%s_tls_protocols = >=%s\n", prefixes[i], least);
	}
	if (key && *key == '#')
		no_equal("ssl_key: hidden; use the output of doveconf -nP");
}

/* ------------------------------------------------------------ master.cf */

static void
print_listener(const char *protocol, const char *listener, const char *wrapped)
{
	autofree char *block = mem_format("service %s-login/inet_listener %s", protocol, listener);
	const char    *port = get(block, "port"), *address = get(block, "address");

	get(block, "ssl");
	if (port && strcmp(port, "0") == 0)
		return;
	printf("%s%s%-10s inet n - n - - %s-login\n%s", address && strcmp(address, "*") != 0 ? address : "",
		address && strcmp(address, "*") != 0 ? ":" : "", port ? port : strcmp(listener, "sieve") == 0 ? "4190" : listener, protocol, wrapped);
}

/* Listeners of a service that is one program here: "service lmtp/unix_listener /var/spool/postfix/private/dovecot-lmtp". */
static bool
print_service(const char *name, const char *program, bool print)
{
	autofree char *block = mem_format("service %s", name);
	size_t         len = strlen(block);
	bool           found = false;
	const char    *last = "";

	for (size_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];
		const char   *path = strstr(e->block, "/unix_listener ");

		if (strncmp(e->block, block, len) != 0 || (e->block[len] && e->block[len] != '/'))
			continue;
		e->done = true;
		if (path && strcmp(e->block, last) != 0) {
			const char *base = strrchr(path, '/');

			last = e->block;
			found = true;
			base = base == path ? path + 15 : base + 1;
			if (print)         /* "lmtp" is the client's name in master.cf */
				printf("%s unix - n n - - %s\n", strcmp(base, "lmtp") == 0 ? "dovecot-lmtp" : base, program);
		} else if (!path && strcmp(e->key, "port") == 0) {
			const char *address = get(e->block, "address");

			found = true;
			if (print)
				printf("%s:%s inet n n n - - %s\n", address && strcmp(address, "*") != 0 ? address : "127.0.0.1", e->value, program);
		}
	}
	return found;
}

static void
print_master(void)
{
	if (has_protocol("imap")) {
		print_listener("imap", "imap", "");
		print_listener("imap", "imaps", "    -o imap_tls_wrappermode=yes\n");
	}
	if (has_protocol("pop3")) {
		print_listener("pop3", "pop3", "");
		print_listener("pop3", "pop3s", "    -o pop3_tls_wrappermode=yes\n");
	}
	if (has_protocol("sieve"))
		print_listener("managesieve", "sieve", "");
	print_service("quota-status", "quota-status", true);
	if (has_protocol("lmtp") && !print_service("lmtp", "lmtpd", true))
		printf("dovecot-lmtp unix - n n - - lmtpd\n");
}

/* What concerns how Dovecot's own processes are run. */
static void
pass_over_services(void)
{
	static const char *const running[] = {"user", "group", "chroot", "service_count", "process_min_avail", "process_limit",
		"client_limit", "vsz_limit", "idle_kill", "executable", "mode", "port", "address", "ssl", "extra_groups", "drop_priv_before_exec"};

	for (size_t i = 0; i < count; i++) {
		struct entry *e = &entries[i];

		if (strncmp(e->block, "service ", 8) != 0 || strncmp(e->block, "service managesieve", 19) == 0)
			continue;
		for (size_t k = 0; k < COUNT(running); k++)
			e->done |= strcmp(e->key, running[k]) == 0;
	}
}

static void
print_main(void)
{
	printf("# from doveconf -n; lines for master.cf: import-dovecot -m\n");
	print_location();
	print_namespaces();
	print_mechanisms();
	print_databases();
	print_tls();
	print_settings(true);
	print_sieve_scripts("sieve_before");
	print_sieve_scripts("sieve_after");
	print_scanner_texts();
	pass_over_services();
	print_service("quota-status", "quota-status", false);
	print_service("lmtp", "lmtpd", false);
	if (get("", "protocols") && has_protocol("submission"))
		no_equal("protocols = submission: smtpd(8) does that (master.cf: submission)");
	for (size_t i = 0; i < count; i++)
		if (!entries[i].done)
			no_equal("%s%s%s = %s", entries[i].block, *entries[i].block ? ": " : "", entries[i].key, entries[i].value);
}

int
main(int argc, char **argv)
{
	autotext struct text in = {0};
	struct fault         why = {0};
	bool                 master = false;
	int                  letter, result;

	log_open("import-dovecot", -1);
	while ((letter = getopt(argc, argv, "m")) != -1)
		if (letter == 'm') {
			master = true;
		} else {
			fprintf(stderr, "%s\n", page_usage("import-dovecot"));
			return 2;
		}
	result = optind < argc ? file_read(argv[optind], INPUT_MOST, &in, &why) : file_read_fd(0, INPUT_MOST, &in, &why);
	if (result < 0) {
		log_error("%s", fault_text(&why));
		return 2;
	}
	read_all(text_span(&in));
	if (master)
		print_master();
	else
		print_main();
	return without_equal ? 1 : 0;
}
