/* SPDX-License-Identifier: ISC */
/*
 * test_sleep.c - the state of an idling session: round trips, and bytes that are none; the seal on it
 */
#include "../unit.h"
#include "notify_told.h"
#include "sleep.h"

#include "../../../guard/authd_wake.h"

static struct message told[] = {
	{.uid = 7}, {.uid = 8}, {.uid = 9, .flags = MESSAGE_SEEN, .recent = true, .keywords = 5},
	{.uid = 4000000000u, .flags = MESSAGE_SEEN, .keywords = UINT64_MAX},
};

static void
write(struct text *out)
{
	struct sleep_state s = {
		.tag = SPAN("a 1"), .mailbox = SPAN("Lists.x"), .saved = SPAN("7:9"), .dictionary = SPAN("\0z"), .selected = true,
		.validity = 4294967295, .manner = {.condstore = true, .uidonly = true}, .keywords = UINT64_MAX, .modseq = 1ull << 62,
		.notify = SPAN("n\0"), .at = told, .count = COUNT(told), .counts.bodies = 3, .bytes_in = 1ull << 40,
	};

	sleep_state_write(&s, out);
}

UNIT_TEST(a_state_is_what_it_was)
{
	autotext struct text t = {0};
	struct sleep_state   s;
	struct fault         why = {0};

	write(&t);
	ck_assert_int_eq(sleep_state_read(text_span(&t), 100, &s, &why), 0);
	ck_span(s.tag, "a 1");
	ck_span(s.mailbox, "Lists.x");
	ck_span(s.saved, "7:9");
	ck_assert(s.notify.len == 2 && s.dictionary.len == 2 && s.selected && !s.read_only && !s.compressed);
	ck_assert(s.manner.condstore && s.manner.uidonly && !s.manner.qresync && !s.manner.rev2 && !s.manner.utf8);
	ck_assert(s.keywords == UINT64_MAX && s.modseq == 1ull << 62 && s.validity == 4294967295);
	ck_assert(s.counts.bodies == 3 && s.bytes_in == 1ull << 40);
	ck_assert_uint_eq(s.count, COUNT(told));
	for (size_t i = 0; i < s.count; i++)
		ck_assert(s.at[i].uid == told[i].uid && s.at[i].flags == told[i].flags && s.at[i].recent == told[i].recent &&
		          s.at[i].keywords == told[i].keywords && s.at[i].modseq == s.modseq);
	sleep_state_free(&s);
}
END_TEST

UNIT_TEST(less_than_a_state_is_none)
{
	autotext struct text t = {0};
	struct sleep_state   s;
	struct fault         why = {0};

	write(&t);
	for (size_t n = 0; n < t.len; n++)
		ck_assert_int_eq(sleep_state_read(span_first(text_span(&t), n), 100, &s, &why), -1);
	ck_assert_int_eq(sleep_state_read(text_span(&t), COUNT(told) - 1, &s, &why), -1); /* more messages than may be */
}
END_TEST

UNIT_TEST(what_notify_told_is_what_it_was)
{
	struct told_mailbox  boxes[] = {{.folder = SPAN("")},
		{SPAN("A.b"), 1, UINT64_MAX, true, true, {3, SIZE_MAX, UINT32_MAX, 7, 1ull << 63}}};
	struct span          names[] = {SPAN("INBOX"), SPAN("A")};
	struct told_key      keys[] = {{SPAN("priv/x"), UINT64_MAX}};
	struct notify_told   t = {SPAN("a NOTIFY NONE"), true, boxes, names, keys, 2, 2, 1}, got;
	autotext struct text bytes = {0}, again = {0};
	struct arena        *a = arena_new();
	struct fault         why = {0};

	notify_told_write(&t, &bytes);
	for (size_t n = 0; n < bytes.len; n++)
		ck_assert_int_eq(notify_told_read(a, span_first(text_span(&bytes), n), &got, &why), -1);
	ck_assert_int_eq(notify_told_read(a, text_span(&bytes), &got, &why), 0);
	ck_span(got.command, "a NOTIFY NONE");
	ck_span(got.mailboxes[1].folder, "A.b");
	ck_assert(got.utf8 && got.mailboxes[1].known && got.mailboxes[1].denied && !got.mailboxes[0].known);
	ck_assert(got.mailboxes[1].status.unseen == SIZE_MAX && got.mailboxes[1].status.next == UINT32_MAX && got.keys[0].hash == UINT64_MAX);
	notify_told_write(&got, &again);
	ck_assert(span_equal(text_span(&bytes), text_span(&again)));
	arena_free(a);
}
END_TEST

UNIT_TEST(a_token_wakes_its_user_once_with_the_sealed_state)
{
	char         directory[] = "/tmp/wake.XXXXXX", token[WAKE_TOKEN], key[WAKE_HEX], digest[WAKE_HEX], proof[WAKE_HEX];
	char         other_digest[WAKE_HEX], other_token[WAKE_TOKEN], other_key[WAKE_HEX];
	struct fault why = {0};

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(wake_prepare(directory, &why), 0);
	wake_make("alice", token, key);
	wake_make("bob", other_token, other_key);
	wake_digest(SPAN("state"), digest);
	wake_digest(SPAN("state2"), other_digest);
	wake_proof(span_of(key), SPAN("state"), proof);
	ck_assert(!wake_take("bob", span_of(token), span_of(proof), span_of(digest)));            /* another user */
	ck_assert(!wake_take("alice", span_of(token), span_of(proof), span_of(other_digest)));    /* another state */
	ck_assert(!wake_take("alice", span_of(other_token), span_of(proof), span_of(digest)));    /* another token */
	ck_assert(!wake_take("alice", SPAN(""), span_of(proof), span_of(digest)));
	ck_assert(!wake_take("alice", span_of(token), SPAN(""), span_of(digest)));
	ck_assert_int_eq(wake_prepare(directory, &why), 0);                                       /* a new authd */
	ck_assert(wake_take("alice", span_of(token), span_of(proof), span_of(digest)));
	ck_assert(!wake_take("alice", span_of(token), span_of(proof), span_of(digest)));          /* a second time */
	autofree char *remove = mem_format("rm -rf %s", directory);
	ck_assert_int_eq(system(remove), 0);
}
END_TEST

UNIT_MAIN("imapd/sleep", a_state_is_what_it_was, less_than_a_state_is_none, what_notify_told_is_what_it_was, a_token_wakes_its_user_once_with_the_sealed_state)
