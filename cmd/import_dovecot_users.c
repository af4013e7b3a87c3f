/* SPDX-License-Identifier: ISC */
/*
 * import_dovecot_users.c - who a Dovecot's users are, and how they prove it
 */
#include <stdio.h>
#include <string.h>

#include "cmd/import_dovecot.h"

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

/* default_fields and override_fields of a passdb: where a mailbox is (authd_route.h). */
static void
add_fields(const char *block, const char *name, struct text *out)
{
	static const char *const known[] = {"proxy", "proxy_maybe", "host", "hostip", "port", "destuser", "pass", "master", "proxy_timeout",
	                                    "proxy_mech", "proxy_not_trusted", "proxy_nopipelining", "ssl", "starttls", "nologin", "reason"};
	const char              *fields = get(block, name);
	struct span              rest = span_of(fields ? fields : ""), word, value, field;
	autotext struct text     taken = {0};

	while (span_next(&rest, " ", &word)) {
		bool is_known = false;

		value = word;
		span_split(&value, '=', &field);
		for (size_t i = 0; i < COUNT(known); i++)
			is_known |= span_is(field, known[i]);
		if (is_known)
			text_add_format(&taken, "%s%.*s", taken.len ? " " : "", SPAN_ARGS(word));
		else
			no_equal("%s: %s = %.*s", block, name, SPAN_ARGS(word));
	}
	if (taken.len)
		text_add_format(out, " %s={%s}", name, text_string(&taken));
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
	} else if (strcmp(driver, "checkpassword") == 0) {
		text_add_format(&one, strchr(args ? args : "", ' ') ? "checkpassword:{%s}" : "checkpassword:%s", args ? args : "");
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
	if (!passdb && strcmp(driver, "passwd") != 0)
		add_defaults(block, &one);
	if (passdb) {
		add_fields(block, "default_fields", &one);
		add_fields(block, "override_fields", &one);
	}
	add_rules(block, &one);
	text_add_format(out, "%s%s", out->len ? ", " : "", text_string(&one));
}

static bool
is_master(const char *block)
{
	const char *master = get(block, "master");

	return master && strcmp(master, "yes") == 0;
}

void
print_databases(void)
{
	autotext struct text passdbs = {0}, userdbs = {0}, masters = {0};

	for (size_t i = 0; i < entry_count; i++) {
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

void
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
