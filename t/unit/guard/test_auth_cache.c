/* SPDX-License-Identifier: ISC */
/*
 * test_auth_cache.c - successes that are remembered, and those that must not be
 */
#include <stdio.h>

#include "../unit.h"
#include "authd_cache.h"

static const struct origin here = {"imap", {"192.0.2.1", 9}, {"192.0.2.9", 9}, "PLAIN", NULL}, there = {"imap", {"192.0.2.2", 9}, {"192.0.2.9", 9}, "PLAIN", NULL};

static bool
knows(const char *user, const char *password, const struct origin *o)
{
	char name[USER_NAME_SIZE];

	snprintf(name, sizeof name, "%s", user);
	return cache_knows(name, password, o);
}

UNIT_TEST(one_user_password_and_address)
{
	char name[USER_NAME_SIZE] = "alias";

	cache_prepare(1 << 20, 60000);
	cache_note("alias", "pencil", &here, "anna", cache_age());
	ck_assert(cache_knows(name, "pencil", &here));
	ck_assert_str_eq(name, "anna");
	ck_assert(!knows("alias", "pencils", &here) && !knows("anna", "pencil", &here) && !knows("alias", "pencil", &there));
	ck_assert(!knows("aliaspen", "cil", &here) && !knows("alias", "", &here));
}
END_TEST

UNIT_TEST(what_was_asked_before_a_change_is_not_remembered_after_it)
{
	uint64_t age;

	cache_prepare(1 << 20, 60000);
	age = cache_age();
	cache_empty();                 /* the passwd-file has another password now */
	cache_note("anna", "old", &here, "anna", age);
	ck_assert(!knows("anna", "old", &here));
	cache_note("anna", "new", &here, "anna", cache_age());
	ck_assert(knows("anna", "new", &here));
	cache_empty();
	ck_assert(!knows("anna", "new", &here));
}
END_TEST

UNIT_MAIN("guard/authd_cache", one_user_password_and_address, what_was_asked_before_a_change_is_not_remembered_after_it)
