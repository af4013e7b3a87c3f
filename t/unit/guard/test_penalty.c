/* SPDX-License-Identifier: ISC */
/*
 * test_penalty.c - who guesses passwords waits longer each time (Dovecot's auth_penalty)
 */
#include "../unit.h"
#include "authd_penalty.h"

UNIT_TEST(each_failure_makes_the_next_answers_later)
{
	static const int64_t late[] = {0, 4000, 8000, 15000, 15000};

	for (size_t i = 0; i < sizeof late / sizeof *late; i++)
		ck_assert_int_eq(penalty_note(SPAN("192.0.2.1"), true, i + 1), late[i]);
	ck_assert_int_eq(penalty_note(SPAN("192.0.2.2"), true, 1), 0);              /* another address */
	ck_assert_int_eq(penalty_note(SPAN("192.0.2.1"), false, 9), 15000);         /* a good one is late too, and forgives */
	ck_assert_int_eq(penalty_note(SPAN("192.0.2.1"), false, 9), 0);
}
END_TEST

UNIT_TEST(the_same_wrong_password_counts_once)
{
	uint64_t one = penalty_what("alice", "old"), other = penalty_what("alice", "older");

	ck_assert(one != other && one == penalty_what("alice", "old") && one != penalty_what("alic", "eold"));
	ck_assert_int_eq(penalty_note(SPAN("198.51.100.1"), true, one), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(penalty_note(SPAN("198.51.100.1"), true, one), 4000);
	ck_assert_int_eq(penalty_note(SPAN("198.51.100.1"), true, other), 4000);
	ck_assert_int_eq(penalty_note(SPAN("198.51.100.1"), true, one), 8000);
}
END_TEST

UNIT_TEST(what_nobody_has_looked_at_notes_nothing)
{
	ck_assert_int_eq(penalty_late(SPAN("203.0.113.1")), 0);
	penalty_note(SPAN("203.0.113.1"), true, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(penalty_late(SPAN("203.0.113.1")), 4000);
	ck_assert_int_eq(penalty_note(SPAN("203.0.113.1"), true, 2), 4000);
	ck_assert_int_eq(penalty_late(SPAN("203.0.113.1")), 8000);
	ck_assert_int_eq(penalty_late(SPAN("203.0.113.2")), 0);
	ck_assert_int_eq(penalty_late(SPAN("127.0.0.1")), 0);
	ck_assert_int_eq(penalty_late(SPAN("")), 0);
}
END_TEST

UNIT_TEST(networks_and_this_machine)
{
	ck_assert_int_eq(penalty_note(SPAN("2001:db8:1::1"), true, 1), 0);
	ck_assert_int_eq(penalty_note(SPAN("2001:db8:1:ffff::2"), true, 2), 4000);  /* the same /48 */
	ck_assert_int_eq(penalty_note(SPAN("2001:db8:2::1"), true, 1), 0);
	for (uint64_t i = 1; i < 9; i++) {
		ck_assert_int_eq(penalty_note(SPAN("127.0.0.1"), true, i), 0);
		ck_assert_int_eq(penalty_note(SPAN("::1"), true, i), 0);
		ck_assert_int_eq(penalty_note(SPAN(""), true, i), 0);
	}
}
END_TEST

UNIT_MAIN("guard/authd_penalty", each_failure_makes_the_next_answers_later, the_same_wrong_password_counts_once,
          what_nobody_has_looked_at_notes_nothing, networks_and_this_machine)
