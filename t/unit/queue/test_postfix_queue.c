/* SPDX-License-Identifier: ISC */
/*
 * test_postfix_queue.c - Postfix's records: what its own programs write, and what nobody writes
 */
#include <stdio.h>

#include "../unit.h"
#include "queue/postfix_queue.h"

static struct text     file;
static struct arena   *arena;
static struct postfix_message m;
static struct fault    why;

static void
begin(void)
{
	text_clear(&file);
	arena = arena_new();
	postfix_put_size(&file, 100, 200, 1, false);
	postfix_put(&file, 'T', SPAN("1795196233 862967"));
	postfix_put(&file, 'A', SPAN("rewrite_context=local"));
	postfix_put(&file, 'S', SPAN("a@b"));
}

static void
rcpt(char type, const char *address)
{
	postfix_put(&file, 'A', SPAN("dsn_orig_rcpt=rfc822;x@y"));
	postfix_put(&file, 'A', SPAN("notify_flags=10"));
	postfix_put(&file, 'O', SPAN("x@y"));
	postfix_put(&file, type, span_of(address));
}

static void
end(void)
{
	postfix_put(&file, 'X', SPAN_NONE);
	postfix_put(&file, 'E', SPAN_NONE);
}

static int
parse(void)
{
	return postfix_message_parse(text_span(&file), arena, &m, &why);
}

/* The content as a string with LF. */
static const char *
content(void)
{
	struct postfix_content c = {.at = m.content_at};
	autotext struct text   all = {0};
	struct span            part;
	bool                   ends;

	while (postfix_content_next(text_span(&file), &c, &part, &ends, NULL) == 1) {
		text_add(&all, part);
		if (ends)
			text_add_byte(&all, '\n');
	}
	ck_assert_int_eq(m.content_size, (int64_t)all.len);
	return arena_string(arena, text_span(&all));
}

UNIT_TEST(a_message)
{
	begin();
	rcpt('R', "one@x");
	rcpt('D', "two@x");
	rcpt('/', "three@x");
	postfix_put(&file, 'R', SPAN("four@x"));
	postfix_put(&file, 'M', SPAN_NONE);
	postfix_put(&file, 'N', SPAN("Subject: s"));
	postfix_put(&file, 'L', SPAN("half "));
	postfix_put(&file, 'N', SPAN("line"));
	postfix_put(&file, 'X', SPAN_NONE);
	postfix_put(&file, 'L', SPAN("smtp:filter"));
	rcpt('R', "five@x");
	postfix_put(&file, 'E', SPAN_NONE);
	ck_assert_msg(parse() == 0, "%s", fault_text(&why));
	ck_assert_int_eq(m.arrival_us, 1795196233862967);
	ck_span(m.sender, "a@b");
	ck_span(m.filter, "smtp:filter");
	ck_assert_uint_eq(m.n_rcpts, 4);
	ck_span(m.rcpts[0].address, "one@x");
	ck_span(m.rcpts[0].original, "x@y");
	ck_span(m.rcpts[0].orcpt, "rfc822;x@y");
	ck_assert_int_eq(m.rcpts[0].notify, 10);
	ck_assert(!m.rcpts[0].done && m.rcpts[1].done);
	ck_span(m.rcpts[2].address, "four@x");
	ck_assert(m.rcpts[2].orcpt.len == 0 && m.rcpts[2].notify == 0); /* three's went with it */
	ck_span(m.rcpts[3].address, "five@x");
	ck_assert_str_eq(content(), "Subject: s\nhalf line\n");
	ck_assert(file.at[m.rcpts[1].at] == 'D');
}
END_TEST

/* Milters edit by pointers: a header grows somewhere behind the end, and the reader comes back. */
UNIT_TEST(pointers_are_followed)
{
	size_t at, back, patch;
	char   number[17];

	begin();
	rcpt('R', "one@x");
	postfix_put(&file, 'M', SPAN_NONE);
	postfix_put(&file, 'N', SPAN("A: 1"));
	patch = file.len + 2;
	postfix_put(&file, 'p', SPAN("              0"));
	postfix_put(&file, 'N', SPAN("B: old"));
	back = file.len;
	postfix_put(&file, 'w', SPAN("padding"));
	postfix_put(&file, 'N', SPAN("C: 3"));
	end();
	ck_assert_int_eq(parse(), 0);
	ck_assert_str_eq(content(), "A: 1\nB: old\nC: 3\n");
	at = file.len;
	postfix_put(&file, 'N', SPAN("B: new"));
	snprintf(number, sizeof number, "%15zu", back);
	postfix_put(&file, 'p', span_of(number));
	snprintf(number, sizeof number, "%15zu", at);
	memcpy(file.at + patch, number, 15);
	ck_assert_int_eq(parse(), 0);
	ck_assert_str_eq(content(), "A: 1\nB: new\nC: 3\n");
	memcpy(file.at + patch, "              1", 15);
	ck_assert_int_lt(parse(), 0);                   /* into the middle of something */
	snprintf(number, sizeof number, "%15zu", patch - 2);
	memcpy(file.at + patch, number, 15);
	ck_assert_int_lt(parse(), 0);
	ck_assert_str_eq(fault_text(&why), "its pointers go round");
	memcpy(file.at + patch, "         999999", 15);
	ck_assert_int_lt(parse(), 0);
	ck_assert_str_eq(fault_text(&why), "a pointer to nowhere");
}
END_TEST

UNIT_TEST(what_is_cut_or_wrong_is_refused)
{
	static const struct { char type; const char *value, *why; } wrong[] = {
		{'S', "again@b", "two senders"}, {'?', "", "a record of unknown type 63"}, {'T', "never", "a malformed time"},
		{'A', "no value", "a malformed attribute"}, {'A', "notify_flags=99", "malformed flags"},
		{'R', "", "a malformed recipient"}, {'R', "a\nb@x", "a malformed recipient"}, {'V', "+", "malformed VERP delimiters"},
		{'W', "x", "a malformed warning time"}, {'A', "envelope_id=a\nb", "a malformed envelope_id"}};

	begin();
	rcpt('R', "one@x");
	postfix_put(&file, 'M', SPAN_NONE);
	postfix_put(&file, 'N', SPAN("body"));
	end();
	for (size_t n = 0; n < file.len; n++)
		ck_assert_int_lt(postfix_message_parse(span_first(text_span(&file), n), arena, &m, &why), 0);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		begin();
		rcpt('R', "one@x");
		postfix_put(&file, wrong[i].type, span_of(wrong[i].value));
		postfix_put(&file, 'M', SPAN_NONE);
		end();
		ck_assert_int_lt(parse(), 0);
		ck_assert_str_eq(fault_text(&why), wrong[i].why);
	}
	begin();
	postfix_put(&file, 'M', SPAN_NONE);
	end();
	ck_assert_int_lt(parse(), 0);
	ck_assert_str_eq(fault_text(&why), "no recipient");
	begin();
	text_add(&file, SPAN("R\xff\xff\xff\xff\xff\xff"));
	ck_assert_int_lt(parse(), 0);
	ck_assert_str_eq(fault_text(&why), "a record with an impossible length");
}
END_TEST

UNIT_TEST(content_goes_both_ways)
{
	static const char line[] = "0123456789";
	autotext struct text wire = {0}, lf = {0};
	bool                 partial = false;

	for (int i = 0; i < 1000; i++)                  /* one long line */
		text_add_string(&wire, line);
	text_add_string(&wire, "\r\n\r\n.\r\nbare\rcr\r\r\nnone");
	begin();
	rcpt('R', "one@x");
	postfix_put(&file, 'M', SPAN_NONE);
	postfix_put_content(&file, text_span(&wire), &partial);
	postfix_put_line_end(&file, partial);
	end();
	ck_assert_int_eq(parse(), 0);
	for (int i = 0; i < 1000; i++)
		text_add_string(&lf, line);
	text_add_string(&lf, "\n\n.\nbare\rcr\r\nnone\n");
	ck_assert_str_eq(content(), text_string(&lf));
}
END_TEST

UNIT_TEST(logs_go_both_ways)
{
	struct postfix_reason r = {.recipient = SPAN("a@b"), .original = SPAN("c@d"), .orcpt = SPAN("rfc822;c@d"), .status = SPAN("4.4.1"),
	                           .action = SPAN("delayed"), .reason = SPAN("connect to x: refused"), .mta = SPAN("mx.b"),
	                           .diagnostic = SPAN("450 later"), .at = 628, .notify = 10}, got;
	autotext struct text  log = {0};
	struct span           rest;

	postfix_reason_print(&r, &log);
	r.recipient = SPAN("second@b");
	postfix_reason_print(&r, &log);
	text_add_string(&log, "\nunknown=1\nrecipient=\n\n\n");
	rest = text_span(&log);
	ck_assert(postfix_reason_next(&rest, &got));
	ck_span(got.recipient, "a@b");
	ck_span(got.original, "c@d");
	ck_span(got.orcpt, "rfc822;c@d");
	ck_span(got.status, "4.4.1");
	ck_span(got.action, "delayed");
	ck_span(got.reason, "connect to x: refused");
	ck_span(got.mta, "mx.b");
	ck_span(got.diagnostic, "450 later");
	ck_assert(got.at == 628 && got.notify == 10);
	ck_assert(postfix_reason_next(&rest, &got));
	ck_span(got.recipient, "second@b");
	ck_assert(!postfix_reason_next(&rest, &got));
}
END_TEST

UNIT_MAIN("queue/postfix_queue", a_message, pointers_are_followed, what_is_cut_or_wrong_is_refused, content_goes_both_ways,
          logs_go_both_ways)
