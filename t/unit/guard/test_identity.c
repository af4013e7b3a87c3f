/* SPDX-License-Identifier: ISC */
/*
 * test_identity.c - dovecot-sql.conf.ext, and %-variables in its queries
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
		struct identity_words w = {span_of(rows[i].user), SPAN("imap"), SPAN("192.0.2.1"), SPAN("192.0.2.2")};
		struct text           out = {0};
		int                   got = identity_words_expand(rows[i].words, &w, remote_quote_sql, NULL, &out, NULL);

		ck_assert_msg((got == 0) == (rows[i].out != NULL) && identity_words_check(rows[i].words, NULL) == got, "row %zu: %s gave %d", i, rows[i].words, got);
		if (got == 0)
			ck_span(text_span(&out), rows[i].out);
		text_free(&out);
	}
}
END_TEST

UNIT_MAIN("identity", settings, what_is_refused, variables)
