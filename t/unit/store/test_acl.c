/* SPDX-License-Identifier: ISC */
/*
 * test_acl.c - dovecot-acl (RFC 4314; the file as Dovecot writes it)
 */
#include "../unit.h"

#include "store/acl.h"

static unsigned
rights(const char *file, const char *user, bool owner)
{
	struct acl a;
	unsigned   got;

	acl_parse(span_of(file), &a);
	got = acl_rights(&a, &(struct acl_who){user, "staff,sales", owner});
	acl_free(&a);
	return got;
}

UNIT_TEST(letters_and_the_old_two)
{
	autotext struct text out = {0};
	unsigned             r;

	ck_assert(acl_letters_parse(SPAN("lrs"), &r) && r == (ACL_LOOKUP | ACL_READ | ACL_WRITE_SEEN));
	ck_assert(acl_letters_parse(SPAN("cd"), &r) && r == (ACL_CREATE | ACL_DELETE | ACL_EXPUNGE | ACL_WRITE_DELETED));
	ck_assert(acl_letters_parse(SPAN(""), &r) && r == 0);
	ck_assert(!acl_letters_parse(SPAN("lz"), &r) && !acl_letters_parse(span_at("l\0", 2), &r));
	acl_letters_add(ACL_ALL, &out);
	ck_assert_str_eq(text_string(&out), "lrwstipekxa");
}

UNIT_TEST(who_may_what)
{
	ck_assert_uint_eq(rights("", "carol", false), 0);
	ck_assert_uint_eq(rights("", "carol", true), ACL_ALL);
	ck_assert_uint_eq(rights("anyone lr\nuser=carol l\n", "carol", false), ACL_LOOKUP);
	ck_assert_uint_eq(rights("anyone lr\nuser=carol l\n", "dave", false), ACL_LOOKUP | ACL_READ);
	ck_assert_uint_eq(rights("anyone lr\n", "own", true), ACL_ALL);
	ck_assert_uint_eq(rights("owner lr\n", "own", true), ACL_LOOKUP | ACL_READ | ACL_ADMIN);
	ck_assert_uint_eq(rights("user=carol lrw\n-user=carol w\n", "carol", false), ACL_LOOKUP | ACL_READ);
	ck_assert_uint_eq(rights("\"user=a b\" lr\n", "a b", false), ACL_LOOKUP | ACL_READ);
	ck_assert_uint_eq(rights("user=carol lq\nnonsense\n", "carol", false), 0);
}

/* As measured of Dovecot 2.3.19: letters of a member of staff and sales. */
UNIT_TEST(as_dovecot_judges)
{
	static const struct { const char *file, *letters; } others[] = {
		{"group=staff lrwst\nuser=bob lr\n", "lr"}, {"group=staff lrwst\ngroup=sales lri\n", "lrwsti"},
		{"anyone lrp\nuser=bob lre\n", "lre"}, {"authenticated lrp\ngroup=staff lri\n", "lri"},
		{"group=staff lrwst\n-group=sales w\n", "lrst"}, {"group-override=staff l\nuser=bob lrw\n", "l"},
		{"-group=staff r\nuser=bob lrw\n", "lw"}, {"-anyone w\nuser=bob lrw\n", "lr"},
		{"user=bob lrw\nuser=bob lre\n", "lrwe"}, {"-user=bob l\nanyone lr\n", "r"},
		{"owner lr\nuser=bob lre\n", "lre"}, {"user=bob lr :expunge read\n", "lre"}, {"group=boss lr\n", ""},
	};
	static const struct { const char *global, *file; bool owner; const char *letters; } under[] = {
		{"Work user=bob l", "user=bob lrw\n", false, "l"}, {"Work group=staff l", "user=bob lrw\n", false, "l"},
		{"Work -user=bob w", "user=bob lrw\n", false, "lr"}, {"*rk anyone lr", "", false, "lr"},
		{"Wor? anyone lr", "", false, "lr"}, {"Wor anyone lr", "", false, ""}, {"% anyone lr", "", false, ""},
		{"* anyone lr", "", true, "lra"}, {"* user=dan lr", "", true, "lrwstipekxa"},
		{"Wo* user=bob lrw\n* user=bob l", "", false, "lrw"}, {"\"Wo*\" user=bob lr", "", false, "lr"},
	};

	for (size_t i = 0; i < COUNT(others); i++) {
		autotext struct text got = {0};

		acl_letters_add(rights(others[i].file, "bob", false), &got);
		ck_assert_str_eq(text_string(&got), others[i].letters);
	}
	for (size_t i = 0; i < COUNT(under); i++) {
		autotext struct text got = {0};
		struct acl           global, own;

		acl_global_select(span_of(under[i].global), SPAN("Work"), &global);
		acl_parse(span_of(under[i].file), &own);
		acl_letters_add(acl_rights_under(&global, &own, &(struct acl_who){"bob", "staff,sales", under[i].owner}), &got);
		ck_assert_str_eq(text_string(&got), under[i].letters);
		acl_free(&global);
		acl_free(&own);
	}
}

UNIT_TEST(what_is_written_is_what_was_read)
{
	const char          *file = "owner lrwstipekxa\n-user=carol w\n\"user=a b\" lr\nuser=dave l :custom words\ngroup=staff \n";
	autotext struct text out = {0};
	struct acl           a;

	acl_parse(span_of(file), &a);
	acl_format(&a, &out);
	ck_assert_str_eq(text_string(&out), file);
	acl_free(&a);
}

UNIT_MAIN("lib/store acl", letters_and_the_old_two, who_may_what, as_dovecot_judges, what_is_written_is_what_was_read)
