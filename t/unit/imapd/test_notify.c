/* SPDX-License-Identifier: ISC */
/*
 * test_notify.c - what NOTIFY asks for (RFC 5465, 8)
 */
#include "../unit.h"

#include "notify_request.h"

static int
parse(struct arena *arena, const char *arguments, struct notify_request *r)
{
	struct command       c;
	autotext struct text line = {0};

	text_add_format(&line, "a NOTIFY %s", arguments);
	ck_assert_int_eq(grammar_parse(arena, arena_span(arena, text_span(&line)), &c, NULL), 0);
	return notify_parse(arena, c.arguments, r, NULL);
}

UNIT_TEST(groups)
{
	static const struct {
		const char        *arguments;
		enum notify_filter filter;
		unsigned           events;
		size_t             names;
	} rows[] = {
		{"SET (personal (MessageNew MessageExpunge))", NOTIFY_PERSONAL, NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE, 0},
		{"set (INBOXES (mailboxname))", NOTIFY_INBOXES, NOTIFY_MAILBOX_NAME, 0},
		{"SET (subscribed NONE)", NOTIFY_SUBSCRIBED, 0, 0},
		{"SET (subtree a (FlagChange MessageNew MessageExpunge))", NOTIFY_SUBTREE, NOTIFY_MESSAGES, 1},
		{"SET (mailboxes (a \"b c\" {1}\r\nd) (SubscriptionChange MailboxMetadataChange ServerMetadataChange))",
			NOTIFY_MAILBOXES, NOTIFY_SUBSCRIPTION | NOTIFY_METADATA | NOTIFY_SERVER_METADATA, 3},
		{"SET STATUS (selected-delayed (MessageExpunge MessageNew (UID)))", NOTIFY_SELECTED_DELAYED,
			NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE, 0},
		{"SET (mailboxes personal (MailboxName))", NOTIFY_MAILBOXES, NOTIFY_MAILBOX_NAME, 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct notify_request   r;

		ck_assert_msg(parse(arena, rows[i].arguments, &r) == 0, "%s", rows[i].arguments);
		ck_assert_uint_eq(r.count, 1);
		ck_assert_uint_eq(r.groups[0].filter, rows[i].filter);
		ck_assert_msg(r.groups[0].events == rows[i].events, "%s", rows[i].arguments);
		ck_assert_uint_eq(r.groups[0].name_count, rows[i].names);
		ck_assert(!r.unsupported);
	}
}
END_TEST

UNIT_TEST(fetch_items)
{
	autoarena struct arena *arena = arena_new();
	struct notify_request   r;

	ck_assert_int_eq(parse(arena, "SET STATUS (mailboxes a NONE) (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From To)] "
		"FLAGS) MessageExpunge)) (personal (MailboxName))", &r), 0);
	ck_assert(r.status);
	ck_assert_uint_eq(r.count, 3);
	ck_assert_ptr_eq(r.selected, &r.groups[1]);
	ck_assert(r.selected->fetches);
	ck_assert_uint_eq(r.selected->items.count, 3);
	ck_assert_int_eq(parse(arena, "NONE", &r), 0);
	ck_assert_uint_eq(r.count, 0);
	ck_assert_ptr_null(r.selected);
}
END_TEST

/* RFC 5465, 3.1: NO with BADEVENT is only for what is right otherwise. */
UNIT_TEST(unknown_events)
{
	autoarena struct arena *arena = arena_new();
	struct notify_request   r;

	ck_assert_int_eq(parse(arena, "SET (personal (MessageNew MessageExpunge AnnotationChange))", &r), 0);
	ck_assert(r.unsupported);
	ck_assert_int_eq(parse(arena, "SET (personal (Party))", &r), 0);
	ck_assert(r.unsupported);
	ck_assert_int_lt(parse(arena, "SET (personal (Party FlagChange))", &r), 0);
	ck_assert_int_lt(parse(arena, "SET (personal (AnnotationChange))", &r), 0);
}
END_TEST

UNIT_TEST(bad)
{
	static const char *const rows[] = {
		"SET", "NONE NONE", "SET STATUS", "STATUS SET (personal NONE)", "SET personal", "SET (personal)", "SET (personal ())",
		"SET ()", "SET (NONE)", "SET (personal NONE NONE)", "SET (personal (MessageNew))", "SET (personal (MessageExpunge))",
		"SET (personal (FlagChange))", "SET (personal (MessageNew (UID) MessageExpunge))", "SET (personal MailboxName)",
		"SET (selected (MailboxName))", "SET (selected (MessageNew (WHAT) MessageExpunge))", "SET (selected NONE) (selected NONE)",
		"SET (selected NONE) (selected-delayed NONE)", "SET (subtree (a))", "SET (subtree () NONE)", "SET (mailboxes ((a)) NONE)",
		"SET (mailboxes)", "SET (\"personal\" NONE)", "SET (personal ((MailboxName)))", "SET (nobody NONE)",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		struct notify_request   r;

		ck_assert_msg(parse(arena, rows[i], &r) < 0, "%s", rows[i]);
	}
}
END_TEST

UNIT_MAIN("imapd/notify", groups, fetch_items, unknown_events, bad)
