/* SPDX-License-Identifier: ISC */
/*
 * fuzz_smtp_syntax.c - arguments and replies; what was understood is written and understood again
 */
#include "fuzz.h"

#include "mail/charset.h"
#include "mail/smtp_syntax.h"
#include "mail/xtext.h"

static const struct smtp_rules all = {0, SMTP_OFFER_ALL};

static void
assert_reply(const struct fault *why)
{
	struct smtp_reply_line r;

	assert(smtp_parse_reply_line(span_of(why->reason), &r, NULL) == 0 && r.code >= 500 &&
	       r.status.class == 5);
	for (const char *at = why->reason; *at; at++)
		assert(*at >= ' ' && *at < 127);
}

static void
try_mail(struct span in)
{
	autoarena struct arena *a = arena_new();
	autotext struct text line = {0};
	struct smtp_mail m, again;
	struct fault     why = {0};

	if (smtp_parse_mail(a, in, all, &m, &why) < 0) {
		assert_reply(&why);
		return;
	}
	assert(m.envid.len <= 100 && m.auth.len <= ADDRESS_PATH_LIMIT);
	smtp_format_mail(&m, SMTP_OFFER_ALL, &line);
	assert(span_find_any(text_span(&line), "\r\n") < 0);
	if (line.len > ADDRESS_PATH_LIMIT || !span_is_ascii(m.auth))
		return;
	assert(smtp_parse_mail(a, span_from(text_span(&line), 5), all, &again, NULL) == 0);
	assert(span_equal(m.sender, again.sender) && m.size == again.size && m.body == again.body &&
	       m.ret == again.ret);
	assert(span_equal(m.envid, again.envid) && span_equal(m.auth, again.auth) &&
	       m.smtputf8 == again.smtputf8);
}

static void
try_rcpt(struct span in)
{
	autoarena struct arena *a = arena_new();
	autotext struct text line = {0};
	struct smtp_rcpt r, again;
	struct fault     why = {0};

	if (smtp_parse_rcpt(a, in, all, &r, &why) < 0) {
		assert_reply(&why);
		return;
	}
	assert(r.recipient.len > 0);
	smtp_format_rcpt(&r, SMTP_OFFER_ALL, &line);
	assert(span_find_any(text_span(&line), "\r\n") < 0);
	if (line.len > ADDRESS_PATH_LIMIT)
		return;
	assert(smtp_parse_rcpt(a, span_from(text_span(&line), 5), all, &again, NULL) == 0);
	assert(span_equal(r.recipient, again.recipient) && r.notify == again.notify &&
	       r.orcpt.len == again.orcpt.len);
}

static void
try_xtext(struct span in)
{
	autotext struct text plain = {0}, coded = {0}, again = {0};

	xtext_encode(in, &coded);
	if (xtext_decode(text_span(&coded), &plain, NULL) == 0)
		assert(span_equal(text_span(&plain), in));
	text_clear(&coded);
	text_clear(&plain);
	if (xtext_utf8_decode(in, &plain, NULL) < 0)
		return;
	assert(utf8_valid(text_span(&plain)));
	xtext_utf8_encode(text_span(&plain), &coded);
	assert(span_is_ascii(text_span(&coded)));
	assert(xtext_utf8_decode(text_span(&coded), &again, NULL) == 0 &&
	       span_equal(text_span(&plain), text_span(&again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *a = arena_new();
	struct span            in = size ? span_at(data, size) : SPAN_NONE, verb, argument, name;
	struct smtp_reply_line reply;
	struct smtp_ehlo       ehlo = {0};
	struct status          status;
	uint64_t               count;
	bool                   last;

	smtp_split_command(in, &verb, &argument);
	try_mail(argument);
	try_rcpt(argument);
	try_xtext(in);
	if (smtp_parse_hello(argument, &name, NULL) == 0)
		assert(name.len > 0 && name.len <= 255);
	(void)smtp_parse_bdat(argument, &count, &last, NULL);
	(void)status_parse(in, &status, NULL);
	if (smtp_parse_reply_line(in, &reply, NULL) == 0)
		assert(reply.code >= 200 && reply.code <= 599 &&
		       (reply.status.class == 0 || reply.status.class == reply.code / 100));
	for (int i = 0; i < 3; i++)
		smtp_parse_ehlo_line(a, in, &ehlo);
	assert(ehlo.mechanisms.len <= 4100);
	return 0;
}
