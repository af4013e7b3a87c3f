/* SPDX-License-Identifier: ISC */
/*
 * message_id.c - Message-ID values
 */
#include "mail/message_id.h"

#include <time.h>

void
message_id_make(int64_t seconds, struct span queue_id, struct span host, struct text *out)
{
	time_t    now = (time_t)seconds;
	struct tm tm = {0};

	gmtime_r(&now, &tm);
	text_add_format(out, "<%04d%02d%02d%02d%02d%02d.%.*s@%.*s>", tm.tm_year + 1900,
	                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	                SPAN_ARGS(queue_id), SPAN_ARGS(host));
}

struct span
message_id_find(struct span value)
{
	struct span rest;
	ptrdiff_t   open = span_find(value, '<'), close;

	if (open < 0)
		return span_trim(value);
	rest = span_from(value, (size_t)open);
	close = span_find(rest, '>');
	return close < 0 ? span_trim(rest) : span_first(rest, (size_t)close + 1);
}
