/* SPDX-License-Identifier: ISC */
/*
 * test_auth_rules.c - passdbs in a row: for whom each is asked, and what their answers come to
 *
 * doc.dovecot.org/2.3, "Password databases": result_*, skip, deny, mechanisms, username_filter.
 */
#include "../unit.h"
#include "authd_rules.h"
#include "base/mem.h"

static void
rules_of(const char *words, struct rules *r)
{
	struct list list = {0};

	rules_start(r);
	ck_assert_int_eq(list_parse(span_of(words), &list, NULL), 0);
	for (size_t i = 0; i < list.count; i++)
		ck_assert_msg(rules_take(r, span_of(list.item[i]), NULL) == 1, "%s", list.item[i]);
	list_free(&list);
}

UNIT_TEST(for_whom)
{
	static const struct { const char *words, *mechanism, *user; bool verified, applies; } rows[] = {
		{"", "PLAIN", "a", false, true}, {"", NULL, "a", true, true},
		{"mechanisms={plain login}", "PLAIN", "a", false, true}, {"mechanisms={plain login}", "CRAM-MD5", "a", false, false},
		{"mechanisms=plain", NULL, "a", false, false}, {"mechanisms={none}", NULL, "a", false, true}, {"mechanisms={}", "PLAIN", "a", false, true},
		{"username_filter={*@example.com}", "PLAIN", "a@example.com", false, true}, {"username_filter={*@example.com}", "PLAIN", "a@example.org", false, false},
		{"username_filter={!x*}", "PLAIN", "a", false, true}, {"username_filter={!x*}", "PLAIN", "xa", false, false},
		{"username_filter={*@e.com !x*}", "PLAIN", "xa@e.com", false, false}, {"username_filter={!x* *@e.com}", "PLAIN", "a@e.com", false, true},
		{"username_filter={a?c}", "PLAIN", "abc", false, true}, {"username_filter={a?c}", "PLAIN", "ac", false, false},
		{"username_filter={a*b*c}", "PLAIN", "aXbXbYc", false, true}, {"username_filter={a*b*c}", "PLAIN", "aXbXbYcd", false, false},
		{"username_filter={*}", "PLAIN", "", false, true}, {"username_filter={a}", "PLAIN", "ab", false, false},
		{"username_filter={*********************b}", "PLAIN", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false},
		{"skip=authenticated", "PLAIN", "a", true, false}, {"skip=authenticated", "PLAIN", "a", false, true},
		{"skip=unauthenticated", "PLAIN", "a", false, false}, {"skip=unauthenticated", "PLAIN", "a", true, true},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rules r;

		rules_of(rows[i].words, &r);
		ck_assert_msg(rules_apply(&r, rows[i].mechanism, rows[i].user, rows[i].verified) == rows[i].applies, "row %zu", i);
		list_free(&r.mechanisms);
		list_free(&r.names);
	}
}
END_TEST

/* Two databases: what each says, and what it comes to; '-' when the second is not asked. */
UNIT_TEST(what_follows)
{
	static const struct { const char *first, *second; int says[2], outcome; bool both; } rows[] = {
		{"", "", {1, 9}, 1, false}, {"", "", {0, 1}, 1, true}, {"", "", {0, 0}, 0, true}, {"", "", {-1, 1}, 1, true}, {"", "", {-1, 0}, -1, true},
		{"pass=yes", "", {1, 1}, 1, true}, {"pass=yes", "", {1, 0}, 0, true}, {"pass=no", "", {1, 9}, 1, false},
		{"result_success=continue", "", {1, 0}, 0, true}, {"result_success=continue-ok", "", {1, 0}, 1, true},
		{"result_success=continue-ok", "result_failure=return-fail", {1, 0}, 0, true}, {"result_success=continue-ok", "result_failure=return", {1, 0}, 1, true},
		{"result_success=return-fail", "", {1, 9}, 0, false}, {"result_success=return", "", {1, 9}, 0, false},
		{"result_failure=return-fail", "", {0, 9}, 0, false}, {"result_failure=return", "", {0, 9}, 0, false}, {"result_failure=return-ok", "", {0, 9}, 1, false},
		{"result_internalfail=return-fail", "", {-1, 9}, -1, false}, {"result_internalfail=return-ok", "", {-1, 9}, 1, false},
		{"result_success=continue-fail", "", {1, 1}, 1, true}, {"result_success=continue-fail", "", {1, 0}, 0, true},
		{"result_success=return-fail pass=yes", "", {1, 9}, 0, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rules    r[2];
		struct verdicts v = {0};

		rules_of(rows[i].first, &r[0]);
		rules_of(rows[i].second, &r[1]);
		rules_note(&r[0], rows[i].says[0], &v);
		ck_assert_msg(v.over == !rows[i].both, "row %zu: over", i);
		if (!v.over)
			rules_note(&r[1], rows[i].says[1], &v);
		ck_assert_msg(rules_outcome(&v) == rows[i].outcome, "row %zu: %d", i, rules_outcome(&v));
	}
}
END_TEST

UNIT_TEST(whose_password_was_seen)
{
	struct rules    r;
	struct verdicts v = {0};

	rules_of("result_success=continue-fail", &r);
	rules_note(&r, 1, &v);
	ck_assert(!v.verified);
	rules_of("pass=yes", &r);
	rules_note(&r, 0, &v);
	ck_assert(!v.verified);
	rules_note(&r, 1, &v);
	ck_assert(v.verified && !v.good);
}
END_TEST

UNIT_TEST(words)
{
	struct rules r;

	rules_start(&r);
	ck_assert_int_eq(rules_take(&r, SPAN("scheme=PLAIN"), NULL), 0);
	ck_assert_int_eq(rules_take(&r, SPAN("deny=yes"), NULL), 1);
	ck_assert(r.deny);
	ck_assert_int_eq(rules_take(&r, SPAN("deny=maybe"), NULL), -1);
	ck_assert_int_eq(rules_take(&r, SPAN("result_success=ok"), NULL), -1);
	ck_assert_int_eq(rules_take(&r, SPAN("skip=always"), NULL), -1);
}
END_TEST

UNIT_MAIN("auth_rules", for_whom, what_follows, whose_password_was_seen, words)
