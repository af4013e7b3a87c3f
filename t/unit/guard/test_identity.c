/* SPDX-License-Identifier: ISC */
/*
 * test_identity.c - dovecot-sql.conf.ext, dovecot-ldap.conf.ext, and %-variables in their queries and attributes
 */
#include "../unit.h"
#include "guard/identity.h"

static const char *
connect_of(const struct identity_settings *s, const char *name)
{
	for (size_t i = 0; i < s->n_connect; i++)
		if (strcmp(s->connect[i].name, name) == 0)
			return s->connect[i].value;
	return "";
}

UNIT_TEST(settings)
{
	struct arena            *a = arena_new();
	struct identity_settings s;

	ck_assert_int_eq(identity_sql_parse(SPAN("driver = mysql\nconnect = host=db1 host=db2 port=3307 dbname=mail user=u password='a b=c'\n"
	                                         "password_query = SELECT a, \\\n  b FROM c WHERE d = '%u'\n"), a, &s, NULL), 0);
	ck_assert_str_eq(connect_of(&s, "hosts"), "inet:db1:3307 inet:db2:3307");
	ck_assert_str_eq(connect_of(&s, "password"), "a b=c");
	ck_assert_str_eq(connect_of(&s, "dbname"), "mail");
	ck_assert_str_eq(s.default_pass_scheme, "MD5");
	ck_assert_ptr_nonnull(strstr(s.password_query, "SELECT a,"));
	ck_assert_ptr_nonnull(strstr(s.password_query, "b FROM c"));
	ck_assert_ptr_null(strchr(s.password_query, '\\'));
	ck_assert_int_eq(identity_sql_parse(SPAN("driver=pgsql\nconnect=host=/run/postgresql dbname=m\n"), a, &s, NULL), 0);
	ck_assert_str_eq(connect_of(&s, "hosts"), "unix:/run/postgresql");
	ck_assert_int_eq(identity_sql_parse(SPAN("connect = /x/y.db\ndriver = sqlite\n"), a, &s, NULL), 0);
	ck_assert_str_eq(connect_of(&s, "dbpath"), "/x/y.db");
	arena_free(a);
}
END_TEST

UNIT_TEST(what_is_refused)
{
	static const char *const rows[] = {
		"", "driver = mysql\n", "connect = host=x\n", "driver = cassandra\nconnect = host=x\n", "driver = mysql\nconnect = host=x sslmode=maybe\n",
		"driver = mysql\nconnect = host=x\npassword_query = SELECT '%w'\n", "driver = mysql\nconnect = host=x\nuser_query = SELECT '%'\n",
		"driver = mysql\nconnect = host=x\nupdate_query = UPDATE\n", "driver = mysql\nconnect = host=x\nnonsense\n",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena            *a = arena_new();
		struct identity_settings s;
		struct fault             why = {0};

		ck_assert_msg(identity_sql_parse(span_of(rows[i]), a, &s, &why) < 0 && why.reason[0], "row %zu: %s", i, rows[i]);
		arena_free(a);
	}
}
END_TEST

UNIT_TEST(variables)
{
	static const struct { const char *words, *user, *out; } rows[] = {
		{"'%u'", "a@b", "'a@b'"}, {"'%n' '%d'", "a@b@c", "'a' 'b@c'"}, {"'%n' '%d'", "a", "'a' ''"}, {"%Lu %Un", "aB@C", "ab@c AB"},
		{"%{user} %{username} %{domain} %{service} %{rip} %{lip}", "a@b", "a@b a b imap 192.0.2.1 192.0.2.2"}, {"100%% %s", "a", "100% imap"},
		{"'%u'", "a'b", "'a''b'"}, {"'%Lu'", "A'%u", "'a''%u'"}, {"%w", "a", NULL}, {"%", "a", NULL}, {"%{user", "a", NULL}, {"%{password}", "a", NULL}, {"%L", "a", NULL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct identity_words w = {span_of(rows[i].user), SPAN("imap"), SPAN("192.0.2.1"), SPAN("192.0.2.2"), NULL, NULL};
		struct text           out = {0};
		int                   got = identity_words_expand(rows[i].words, &w, remote_quote_sql, NULL, &out, NULL);

		ck_assert_msg((got == 0) == (rows[i].out != NULL) && identity_words_check(rows[i].words, NULL, NULL, NULL) == got, "row %zu: %s gave %d", i, rows[i].words, got);
		if (got == 0)
			ck_span(text_span(&out), rows[i].out);
		text_free(&out);
	}
}
END_TEST

UNIT_TEST(lines_as_dovecot_reads_them)
{
	struct arena            *a = arena_new();
	struct identity_settings s;

	ck_assert_int_eq(identity_sql_parse(SPAN("  # indented\n  driver = mysql   # behind it\n\tconnect = host=x \\\n  dbname=m\n"
	                                         "  password_query = SELECT '#' FROM x\n  user_query = \"SELECT \\\"a\\\"\"\n"), a, &s, NULL), 0);
	ck_assert_str_eq(connect_of(&s, "dbname"), "m");
	ck_assert_str_eq(s.password_query, "SELECT '#' FROM x");
	ck_assert_str_eq(s.user_query, "SELECT \"a\"");
	arena_free(a);
}
END_TEST

UNIT_TEST(directory)
{
	struct arena            *a = arena_new();
	struct identity_settings s;

	ck_assert_int_eq(identity_ldap_parse(SPAN("hosts = a b:390\nbase = dc=x\n"), a, &s, NULL), 0);
	ck_assert_str_eq(connect_of(&s, "server_host"), "a b:390");
	ck_assert_str_eq(connect_of(&s, "search_base"), "dc=x");
	ck_assert_str_eq(connect_of(&s, "scope"), "sub");
	ck_assert_str_eq(connect_of(&s, "version"), "3");
	ck_assert_str_eq(connect_of(&s, "bind"), "no");
	ck_assert_str_eq(connect_of(&s, "tls_require_cert"), "yes");
	ck_assert_str_eq(s.default_pass_scheme, "CRYPT");
	ck_assert_str_eq(s.user_query, "(&(objectClass=posixAccount)(uid=%u))");
	ck_assert_int_eq((int)s.user_attrs.count, 3);
	ck_assert_str_eq(s.password_attrs.at[1].attribute, "userPassword");
	ck_assert(!s.binds);
	ck_assert_str_eq(s.list_query, "(objectClass=posixAccount)");
	ck_assert_str_eq(s.list_attrs.at[0].attribute, "uid");
	ck_assert_int_eq(identity_ldap_parse(SPAN("uris = ldaps://a\nhosts = b\nbase =\ndn = cn=m\ndnpass = \"s # \\\"x\"\ntls_require_cert = never\nscope = onelevel\n"
	                                          "auth_bind = yes\nauth_bind_userdn = uid=%n,dc=%d\nderef = always\nblocking = no\niterate_attrs = mail=user\niterate_filter = (mail=*)\n"), a, &s, NULL), 0);
	ck_assert_str_eq(connect_of(&s, "server_host"), "ldaps://a");
	ck_assert_str_eq(connect_of(&s, "bind"), "yes");
	ck_assert_str_eq(connect_of(&s, "bind_pw"), "s # \"x");
	ck_assert_str_eq(connect_of(&s, "dereference"), "3");
	ck_assert_str_eq(connect_of(&s, "tls_require_cert"), "no");
	ck_assert(s.binds && s.password_attrs.count == 1);
	ck_assert_str_eq(s.bind_name, "uid=%n,dc=%d");
	ck_assert_str_eq(s.list_query, "(mail=*)");
	ck_assert_str_eq(s.list_attrs.name[0], "mail");
	ck_assert_int_eq(identity_sql_parse(SPAN("driver = sqlite\nconnect = /x\niterate_query = SELECT 1\n"), a, &s, NULL), 0);
	ck_assert_str_eq(s.list_query, "SELECT 1");
	arena_free(a);
}
END_TEST

UNIT_TEST(what_a_directory_is_refused)
{
	static const char *const rows[] = {
		"hosts = a\n", "base = dc=x\n", "hosts = a\nbase = x\nsasl_bind = yes\n", "hosts = a\nbase = x\ntls = maybe\n", "hosts = a\nbase = x\nscope = sub\n",
		"uris = ldaps://a\ntls = yes\nbase = x\n", "hosts = a\nbase = dc=%w\n", "hosts = a\nbase = x\npass_filter = (uid=%w)\n",
		"hosts = a\nbase = x\nuser_filter =\n", "hosts = a\nbase = x\nldaprc_path = /x\n", "hosts = a\nbase = x\nuser_attrs = @mail=group\n",
		"hosts = a\nbase = x\nuser_attrs = !uid\n", "hosts = a\nbase = x\npass_attrs = =user=%{ldap:x@y}\n", "hosts = a\nbase = x\npass_attrs = =user=%{sql:x}\n",
		"hosts = a\nbase = x\nuser_filter = (uid=%{ldap:uid})\n", "hosts = a\nbase = x\nuser_filter = (uid=%$)\n", "hosts = a\nbase = x\nauth_bind = yes\nauth_bind_userdn = %{ldap:dn}\n",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena            *a = arena_new();
		struct identity_settings s;
		struct fault             why = {0};

		ck_assert_msg(identity_ldap_parse(span_of(rows[i]), a, &s, &why) < 0 && why.reason[0], "row %zu: %s", i, rows[i]);
		arena_free(a);
	}
}
END_TEST

/* The forms of doc.dovecot.org/2.3, "LDAP Backend Configuration", of an entry with uid a, mail a@x and b@x, quota 5. */
UNIT_TEST(attributes)
{
	static const struct { const char *attrs, *fields; } rows[] = {
		{"uid=user", "user=a|"}, {"uid", "uid=a|"}, {"UID=user,userPassword=password", "user=a|"}, {"mail=user", "user=a@x|"},
		{"quota=quota_rule=*:bytes=%$", "quota_rule=*:bytes=5|"}, {"quota=quota_rule=*:bytes=", "quota_rule=*:bytes=5|"},
		{"none=home=/x/%$", ""}, {" =home=/home/%d/%{ldap:uid} , =uid=500,=gid=%{ldap:none:600}", "home=/home/x/a|uid=500|gid=600|"},
		{"=home=/v/%{ldap:none}", "home=/v/|"}, {"=mail=%U{ldap:uid}%%", "mail=A%|"}, {"=x=%{ldap_multi:mail}", "x=a@x b@x|"},
		{"=x=%{ldap_multi:mail:;}", "x=a@x;b@x|"}, {"=x=%{ldap_multi:none:;:d}", "x=d|"}, {"=nopassword", "nopassword=|"}, {"", ""}, {"=home=%n@%d", "home=u@x|"},
	};
	struct span           a[] = {SPAN("a")}, mail[] = {SPAN("a@x"), SPAN("b@x")}, quota[] = {SPAN("5")};
	struct identity_value entry[] = {{"uid", a, 1}, {"mail", mail, 2}, {"quota", quota, 1}, {"none", NULL, 0}};
	struct identity_words w = {SPAN("u@x"), SPAN("imap"), SPAN("192.0.2.1"), SPAN("192.0.2.2"), NULL, NULL};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena         *arena = arena_new();
		struct identity_attrs attrs;
		struct text           out = {0};
		const char           *several;

		ck_assert_msg(identity_attrs_parse(span_of(rows[i].attrs), NULL, arena, &attrs, NULL) == 0, "row %zu", i);
		ck_assert_int_eq(identity_attrs_fields(&attrs, &w, entry, COUNT(entry), &out, &several, NULL), 0);
		for (size_t k = 0; k < out.len; k++)
			out.at[k] = out.at[k] ? out.at[k] : '|';
		ck_span(text_span(&out), rows[i].fields);
		ck_assert(!several == !strstr(rows[i].attrs, "mail=user"));
		text_free(&out);
		arena_free(arena);
	}
}
END_TEST

UNIT_MAIN("identity", settings, what_is_refused, variables, lines_as_dovecot_reads_them, directory, what_a_directory_is_refused, attributes)
