/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot_settings.c - settings of a Dovecot that are ours under the same name, or need nothing here
 */
#include <stdio.h>
#include <string.h>

#include "cmd/import_dovecot.h"
#include "mail/netaddr.h"

enum kind { PLAIN, TIME, SIZE, NETWORKS, FREE };      /* FREE: needs nothing here */

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
	{"plugin", "sieve_plugins", FREE}, {"plugin", "imapsieve_url", PLAIN}, {"plugin", "imapsieve_expunge_discarded", PLAIN},
	{"plugin", "sieve_pipe_bin_dir", PLAIN}, {"plugin", "sieve_pipe_exec_timeout", TIME}, {"plugin", "sieve_pipe_input_eol", PLAIN},
	{"plugin", "sieve_filter_bin_dir", PLAIN}, {"plugin", "sieve_filter_exec_timeout", TIME}, {"plugin", "sieve_filter_input_eol", PLAIN},
	{"plugin", "sieve_execute_bin_dir", PLAIN}, {"plugin", "sieve_execute_exec_timeout", TIME}, {"plugin", "sieve_execute_input_eol", PLAIN},
	{"", "recipient_delimiter", PLAIN},
	{"plugin", "sieve_spamtest_status_type", PLAIN}, {"plugin", "sieve_spamtest_status_header", PLAIN},
	{"plugin", "sieve_spamtest_max_value", PLAIN}, {"plugin", "sieve_spamtest_max_header", PLAIN},
	{"plugin", "sieve_virustest_status_type", PLAIN}, {"plugin", "sieve_virustest_status_header", PLAIN},
	{"plugin", "sieve_virustest_max_value", PLAIN}, {"plugin", "sieve_virustest_max_header", PLAIN},
	{"", "lmtp_save_to_detail_mailbox", PLAIN}, {"protocol lmtp", "lmtp_save_to_detail_mailbox", PLAIN},
	{"", "lda_mailbox_autocreate", PLAIN}, {"", "lda_mailbox_autosubscribe", PLAIN},
	{"protocol lda", "lda_mailbox_autocreate", PLAIN}, {"protocol lda", "lda_mailbox_autosubscribe", PLAIN},
	{"protocol lmtp", "lda_mailbox_autocreate", PLAIN}, {"protocol lmtp", "lda_mailbox_autosubscribe", PLAIN},
	/* what Dovecot needs for itself, or what is always so here */
	{"", "mail_access_groups", PLAIN}, {"", "mail_privileged_group", FREE}, {"", "ssl_dh", FREE},
	{"", "ssl_client_ca_dir", PLAIN}, {"", "ssl_client_ca_file", PLAIN}, {"", "ssl_client_cert", PLAIN}, {"", "ssl_client_key", PLAIN},
	{"", "ssl_client_require_valid_cert", PLAIN}, {"", "login_proxy_timeout", TIME}, {"", "ssl_prefer_server_ciphers", FREE},
	{"", "listen", FREE}, {"", "log_path", FREE}, {"", "info_log_path", FREE}, {"", "debug_log_path", FREE},
	{"", "syslog_facility", FREE}, {"", "log_timestamp", FREE}, {"", "base_dir", FREE}, {"", "state_dir", FREE},
	{"", "default_internal_user", FREE}, {"", "default_login_user", FREE}, {"", "default_internal_group", FREE},
	{"", "default_process_limit", FREE}, {"", "default_client_limit", FREE}, {"", "default_vsz_limit", FREE},
	{"", "maildir_stat_dirs", FREE}, {"", "maildir_very_dirty_syncs", FREE}, {"", "maildir_copy_with_hardlinks", FREE},
	{"", "mail_fsync", FREE}, {"", "mmap_disable", FREE}, {"", "lock_method", FREE}, {"", "dotlock_use_excl", FREE},
	{"", "managesieve_notify_capability", FREE}, {"", "managesieve_sieve_capability", FREE},
	{"", "shutdown_clients", FREE}, {"", "verbose_proctitle", FREE}, {"", "auth_cache_size", SIZE},
	{"", "auth_cache_ttl", TIME}, {"", "auth_master_user_separator", PLAIN}, {"", "auth_username_chars", PLAIN}, {"", "auth_cache_negative_ttl", FREE}, {"", "auth_worker_max_count", FREE},
	{"", "hostname", FREE}, {"", "postmaster_address", FREE}, {"", "login_trusted_networks", NETWORKS},
	{"protocol imap", "mail_plugins", FREE}, {"", "mail_plugins", FREE}, {"protocol pop3", "mail_plugins", FREE},
	{"protocol lda", "mail_plugins", FREE}, {"protocol lmtp", "mail_plugins", FREE},
};

/* Of a plugin that is not loaded. */
static bool
is_idle(const char *key)
{
	const char *plugins = get("plugin", "sieve_plugins");

	if (strncmp(key, "imapsieve_", 10) == 0)
		return !loads("imap_sieve");
	return (strncmp(key, "sieve_pipe_", 11) == 0 || strncmp(key, "sieve_filter_", 13) == 0 || strncmp(key, "sieve_execute_", 14) == 0) &&
		!(plugins && strstr(plugins, "sieve_extprograms"));
}

static bool
knows_sieve_plugins(const char *value)
{
	struct span rest = span_of(value), word;

	while (span_next(&rest, " \t,", &word))
		if (!span_is(word, "sieve_extprograms") && !span_is(word, "sieve_imapsieve"))
			return false;
	return true;
}

/* Dovecot looks at no bit behind the prefix (10.0.0.1/8); here they are 0. */
static void
print_networks(const char *key, const char *value)
{
	autotext struct text list = {0};
	struct span          rest = span_of(value), word, address;
	struct netaddr_net   net;
	struct netaddr       a;
	char                 room[NETADDR_TEXT_SIZE];
	uint64_t             bits;

	while (span_next(&rest, " ,\t", &word)) {
		struct span prefix = word;

		text_add_string(&list, list.len ? " " : "");
		if (netaddr_parse_net(word, &net, NULL) == 0) {
			text_add(&list, word);
		} else if (span_split(&prefix, '/', &address) && netaddr_parse(address, &a) && span_number(prefix, &bits) && bits <= (a.family == 4 ? 32 : 128)) {
			a = netaddr_masked(&a, (unsigned)bits);
			text_add_format(&list, "%s/%d", netaddr_string(&a, room), (int)bits);
		} else {
			no_equal("%s: %.*s is no network", key, SPAN_ARGS(word));
			return;
		}
	}
	print_plain(key, text_string(&list));
}

void
print_settings(bool print)
{
	for (size_t i = 0; i < entry_count; i++)
		for (size_t k = 0; k < COUNT(settings); k++) {
			const struct setting *s = &settings[k];
			const char           *v = entries[i].value;

			if (strcmp(entries[i].block, s->block) != 0 || strcmp(entries[i].key, s->key) != 0)
				continue;
			entries[i].done = true;
			if (strcmp(s->key, "mail_plugins") == 0) { /* each is told where its own settings are */
				entries[i].done = true;
			} else if (strcmp(s->key, "sieve_plugins") == 0) {
				entries[i].done = knows_sieve_plugins(v);
			} else if (is_idle(s->key)) {
				if (print)
					printf("# %s = %s: its plugin is not loaded\n", s->key, v);
			} else if (strncmp(s->key, "lazy_expunge", 12) == 0 && !loads("lazy_expunge")) {
				if (print)
					printf("# %s = %s: its plugin is not loaded\n", s->key, v);
			} else if (strcmp(s->key, "lazy_expunge") == 0 && span_ends(span_of(v), "/")) {
				entries[i].done = false; /* a namespace */
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
			} else if (print && s->kind == NETWORKS) {
				print_networks(s->key, v);
			}
		}
}

/* How many rules of IMAP events there are: a number without a name ends them, as here. */
static uint64_t
count_imapsieve_rules(void)
{
	for (uint64_t n = 1;; n++) {
		autofree char *key = mem_format("imapsieve_mailbox%llu_name", (unsigned long long)n);
		const char    *name = get("plugin", key);

		if (!name || !*name)
			return n - 1;
	}
}

/* imapsieve_mailbox1_name and its like. */
void
print_imapsieve_rules(void)
{
	enum { MOST = 16 }; /* IMAPSIEVE_RULES_MOST */
	uint64_t count = count_imapsieve_rules(), number;

	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];
		struct span   rest = span_of(e->key), digits;

		if (strcmp(e->block, "plugin") != 0 || strncmp(e->key, "imapsieve_mailbox", 17) != 0)
			continue;
		rest = span_from(rest, 17);
		if (!span_split(&rest, '_', &digits) || !span_number(digits, &number))
			continue;
		e->done = true;
		if (!loads("imap_sieve"))
			printf("# %s = %s: its plugin is not loaded\n", e->key, e->value);
		else if (number < 1 || number > count)
			printf("# %s = %s: no rule: a number before it has no name\n", e->key, e->value);
		else if (number > MOST)
			no_equal("%s = %s: more than %d rules", e->key, e->value, MOST);
		else
			print_plain(e->key, e->value);
	}
}

/* sieve_before, sieve_before2 ...: one list here, in the order of their numbers.  And the texts of scanners. */
void
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

void
print_scanner_texts(void)
{
	for (size_t i = 0; i < entry_count; i++) {
		struct entry *e = &entries[i];

		if (strcmp(e->block, "plugin") != 0 || (strncmp(e->key, "sieve_spamtest_text_value", 25) != 0 &&
		    strncmp(e->key, "sieve_virustest_text_value", 26) != 0))
			continue;
		e->done = true;
		print_plain(e->key, e->value);
	}
}
