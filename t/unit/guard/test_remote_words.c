/* SPDX-License-Identifier: ISC */
/*
 * test_remote_words.c - queries from keys and results from values; what is quoted, and how
 */
#include "../unit.h"
#include "guard/remote_words.h"

/* words, key -> out; NULL: suppressed. As queries, quoted by SQL's rule (mysql_table(5), query) */
static const struct { const char *words, *key, *out; } queries[] = {
	{"SELECT '%s'", "user@example.com", "SELECT 'user@example.com'"},
	{"%%s", "x", "%s"},
	{"'%u' '%d'", "user@example.com", "'user' 'example.com'"},
	{"'%u'", "plain", "'plain'"},                  /* no address: the whole key */
	{"'%u'", "@example.com", NULL},                /* an empty local part */
	{"'%d'", "plain", NULL}, {"'%d'", "user@", NULL},
	{"'%d'", "@example.com", "'example.com'"},
	{"%S %U %D", "u@e.com", "u@e.com u e.com"},
	{"%1 %2 %3", "user@mail.example.com", "com example mail"},
	{"%4", "user@mail.example.com", NULL}, {"%1", "plain", NULL},
	{"%u", "a@b@c.d", "a@b"},
	{"'%s'", "o'brien@e.com", "'o''brien@e.com'"},
	{"'%s'", "' OR '1'='1", "''' OR ''1''=''1'"},
	{"'%u'", "x';DROP TABLE t;--@e.com", "'x'';DROP TABLE t;--'"},
	{"'%d'", "x@e'||'", "'e''||'''"},
	{"'%1'", "x@a.'--", "'''--'"},
	{"%s", "%s%u", "%s%u"},                        /* what is put in is not looked at again */
	{"", "x", ""},
};

UNIT_TEST(queries_hold_quoted_parts_of_the_key)
{
	for (size_t i = 0; i < COUNT(queries); i++) {
		struct remote_key    key;
		autotext struct text out = {0};
		int                  got;

		remote_key_split(span_of(queries[i].key), &key);
		ck_assert_int_eq(remote_words_check(queries[i].words, NULL), 0);
		got = remote_words_expand(queries[i].words, &key, &key, remote_quote_sql, NULL, &out, NULL);
		ck_assert_msg(got == !queries[i].out, "%s with %s", queries[i].words, queries[i].key);
		ck_span(text_span(&out), queries[i].out ? queries[i].out : "");
	}
}
END_TEST

/* words, key, value -> out (mysql_table(5), result_format) */
static const struct { const char *words, *key, *value, *out; } results[] = {
	{"%s", "k@e.com", "a@b.org", "a@b.org"}, {"smtp:[%s]", "k", "host", "smtp:[host]"},
	{"%u@%D", "k@e.com", "a@b.org", "a@e.com"}, {"%d", "k@e.com", "plain", NULL}, {"%u", "k", "@b.org", NULL},
	{"%s %1", "plain", "v", NULL}, {"%U/%s", "k@e.com", "v", "k/v"}, {"'%s'", "k", "o'b", "'o'b'"},
};

UNIT_TEST(results_hold_parts_of_value_and_key)
{
	for (size_t i = 0; i < COUNT(results); i++) {
		struct remote_key    key, value;
		autotext struct text out = {0};
		int                  got;

		remote_key_split(span_of(results[i].key), &key);
		remote_key_split(span_of(results[i].value), &value);
		got = remote_words_expand(results[i].words, &key, &value, remote_quote_none, NULL, &out, NULL);
		ck_assert_msg(got == !results[i].out, "%s", results[i].words);
		ck_span(text_span(&out), results[i].out ? results[i].out : "");
	}
}
END_TEST

static const struct { remote_quote *quote; const char *in, *out; } quoted[] = {
	{remote_quote_filter, "a*(b)\\", "a\\2a\\28b\\29\\5c"},            /* RFC 4515, 3 */
	{remote_quote_filter, "*)(uid=*", "\\2a\\29\\28uid=\\2a"},
	{remote_quote_dn, "a,b+c\"d\\e<f>;=", "a\\,b\\+c\\\"d\\\\e\\<f\\>\\;\\="},   /* RFC 4514, 2.4 */
	{remote_quote_dn, " #x ", "\\ #x\\ "}, {remote_quote_dn, "#x", "\\#x"}, {remote_quote_dn, "a\nb", "a\\0ab"},
};

UNIT_TEST(filters_and_names_are_quoted)
{
	for (size_t i = 0; i < COUNT(quoted); i++) {
		autotext struct text out = {0};

		ck_assert_int_eq(quoted[i].quote(NULL, span_of(quoted[i].in), &out, NULL), 0);
		ck_span(text_span(&out), quoted[i].out);
	}
}
END_TEST

UNIT_TEST(bad_words_and_bytes_are_refused)
{
	autotext struct text out = {0};
	struct fault         why = {0};

	ck_assert_int_eq(remote_words_check("50% x", &why), -1);
	ck_assert_int_eq(remote_words_check("%", &why), -1);
	ck_assert_int_eq(remote_words_check("%0", &why), -1);
	ck_assert_int_eq(remote_words_check("%%%s%%", &why), 0);
	ck_assert_int_eq(remote_quote_sql(NULL, span_at("a\0b", 3), &out, &why), -1);
	ck_assert_int_eq(remote_quote_filter(NULL, span_at("a\0b", 3), &out, &why), 0);
	ck_span(text_span(&out), "a\\00b");
}
END_TEST

UNIT_MAIN("remote_words", queries_hold_quoted_parts_of_the_key, results_hold_parts_of_value_and_key,
          filters_and_names_are_quoted, bad_words_and_bytes_are_refused)
