/* SPDX-License-Identifier: ISC */
/*
 * fuzz_dsn.c - whatever a remote says, a notification has three parts, CRLF lines of bounded length, and ASCII
 */
#include "fuzz.h"

#include "mail/charset.h"
#include "mail/dsn.h"
#include "mail/mime.h"

static void
assert_lines(struct span s)
{
	struct span line;

	while (span_split(&s, '\n', &line)) {
		assert(line.len && line.at[line.len - 1] == '\r' && line.len <= 999);
		assert(span_find(span_first(line, line.len - 1), '\r') < 0 &&
		       !span_has(line, '\0'));
	}
	assert(line.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *a = arena_new();
	autotext struct text head = {0}, tail = {0};
	struct span          in = size ? span_at(data, size) : SPAN_NONE, piece[6], rest = in;
	struct dsn_recipient r = {0};
	struct dsn d = {.host = SPAN("mail.example.org"),
	                .mail_name = SPAN("Postfix"),
	                .queue_id = SPAN("4bQx1z2Yz3z9rxN"),
	                .to = SPAN("a@b.example"),
	                .recipients = &r,
	                .count = 1,
	                .now = 1};
	bool                 whole;
	struct mime         *m;

	for (size_t i = 0; i < COUNT(piece); i++)
		(void)span_split(&rest, '|', &piece[i]);
	r = (struct dsn_recipient){.recipient = piece[0],
	                           .original = piece[1],
	                           .orcpt = piece[2],
	                           .status = STATUS(5, 0, 0),
	                           .action = size % 5,
	                           .remote_mta = piece[3],
	                           .diagnostic = piece[4],
	                           .reason = piece[5]};
	d.sender = piece[1];
	d.envid = span_first(piece[2], 100);
	d.transcript = in;
	d.smtputf8 = size % 2;
	assert(dsn_build(&d, &head, &tail, &whole, NULL) == 0);
	assert_lines(text_span(&head));
	assert_lines(text_span(&tail));
	assert(d.smtputf8 || span_is_ascii(text_span(&head)));
	text_add_string(&head, "A: b\r\n");
	text_add(&head, text_span(&tail));
	m = mime_parse(a, text_span(&head));
	assert(m->root->is_multipart && m->root->child_count == 3);
	return 0;
}
