/* SPDX-License-Identifier: ISC */
/*
 * verify_sender.c - the sender of address probes, which may change with time
 */
#include "mail/verify_sender.h"

/* No vowels: it must not spell anything. */
static void
add_number(uint64_t n, struct text *out)
{
	static const char digits[] = "0123456789bcdfghjklmnpqrstvwxyz";
	char              text[16];
	size_t            at = sizeof text;

	do
		text[--at] = digits[n % (sizeof digits - 1)];
	while ((n /= sizeof digits - 1) && at > 0);
	text_add(out, span_at(text + at, sizeof text - at));
}

static void
make(struct span configured, int64_t ttl_ms, int64_t slot, struct text *out)
{
	ptrdiff_t at = span_find_last(configured, '@');

	if (configured.len == 0 || span_is(configured, "<>"))
		return;
	text_add(out, at < 0 ? configured : span_first(configured, (size_t)at));
	if (ttl_ms > 0)
		add_number((uint64_t)slot, out);
	if (at >= 0)
		text_add(out, span_from(configured, (size_t)at));
}

void
verify_sender_make(struct span configured, int64_t ttl_ms, int64_t now_us, struct text *out)
{
	make(configured, ttl_ms, ttl_ms > 0 ? now_us / 1000 / ttl_ms : 0, out);
}

bool
verify_sender_is(struct span configured, int64_t ttl_ms, int64_t now_us, struct span address)
{
	int64_t   slot = ttl_ms > 0 ? now_us / 1000 / ttl_ms : 0;
	ptrdiff_t at = span_find_last(address, '@');

	if (configured.len == 0 || span_is(configured, "<>"))
		return false;
	if (!span_has(configured, '@') && at >= 0)
		address = span_first(address, (size_t)at);
	for (int64_t i = ttl_ms > 0 ? -1 : 0; i <= (ttl_ms > 0 ? 1 : 0); i++) {
		autotext struct text one = {0};

		make(configured, ttl_ms, slot + i, &one);
		if (span_equal_nocase(text_span(&one), address))
			return true;
	}
	return false;
}
