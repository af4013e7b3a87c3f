/* SPDX-License-Identifier: ISC */
/*
 * test_attachment.c - mail_attachment_detection_options, as Dovecot decides
 */
#include "mail/attachment.h"
#include "../unit.h"

#define PART(headers) "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\n" headers "\n\nx\n--b--\n"

static const struct { const char *options, *message; bool has; } rows[] = {
	{"add-flags", "Subject: x\n\nx\n", false},
	{"add-flags", "Content-Disposition: attachment\n\nx\n", true},
	{"add-flags", PART("Content-Type: text/plain"), false},
	{"add-flags", PART("Content-Type: image/png"), false},
	{"add-flags", PART("Content-Type: image/png\nContent-Disposition: ATTACHMENT"), true},
	{"add-flags", PART("Content-Type: image/png\nContent-Disposition: inline"), false},
	{"add-flags", PART("Content-Type: image/png\nContent-Disposition: inline; filename=a.png"), true},
	{"add-flags exclude-inlined", PART("Content-Type: image/png\nContent-Disposition: inline; filename=a.png"), false},
	{"add-flags exclude-inlined", PART("Content-Type: image/png\nContent-Disposition: attachment"), true},
	{"add-flags content-type=!application/pgp-signature", PART("Content-Type: application/PGP-Signature\nContent-Disposition: attachment"), false},
	{"add-flags content-type=!application/pgp-signature", PART("Content-Type: application/pdf\nContent-Disposition: attachment"), true},
	{"add-flags content-type=image/*", PART("Content-Type: image/png\nContent-Disposition: attachment"), true},
	{"add-flags content-type=image/*", PART("Content-Type: application/pdf\nContent-Disposition: attachment"), false},
	{"add-flags content-type=!image/gif content-type=image/*", PART("Content-Type: image/gif\nContent-Disposition: attachment"), false},
	/* inside of a message that is enclosed */
	{"add-flags", PART("Content-Type: message/rfc822\n\nContent-Disposition: attachment"), true},
};

UNIT_TEST(rows_of_messages)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		autoarena struct arena *arena = arena_new();
		const char             *is = attachment_keyword(span_of(rows[i].options), mime_parse(arena, span_of(rows[i].message)));

		ck_assert_msg(strcmp(is, rows[i].has ? "$HasAttachment" : "$HasNoAttachment") == 0, "row %zu: %s", i, is);
	}
}

UNIT_TEST(words)
{
	ck_assert_int_eq(attachment_check(SPAN(""), NULL), 0);
	ck_assert_int_eq(attachment_check(SPAN("add-flags-on-save exclude-inlined content-type=!x/* no-flags-on-fetch"), NULL), 0);
	ck_assert_int_lt(attachment_check(SPAN("add-flags content-type="), NULL), 0);
	ck_assert_int_lt(attachment_check(SPAN("add"), NULL), 0);
	ck_assert(!attachment_wanted(SPAN("")));
	ck_assert(!attachment_wanted(SPAN("exclude-inlined")));
	ck_assert(attachment_wanted(SPAN("exclude-inlined add-flags")));
}

UNIT_MAIN("mail/attachment", rows_of_messages, words)
