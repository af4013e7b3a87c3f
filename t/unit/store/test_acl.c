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
	got = acl_rights(&a, user, owner);
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

UNIT_MAIN("lib/store acl", letters_and_the_old_two, who_may_what, what_is_written_is_what_was_read)
