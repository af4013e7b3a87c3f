/* SPDX-License-Identifier: ISC */
/*
 * queue_export_writer.c - a file of Postfix's that is being written, and what both of its kinds hold
 */
#include <unistd.h>

#include "base/file.h"
#include "queue/queue_export_private.h"

int64_t
export_here(const struct writer *w)
{
	return w->at + (int64_t)w->out.len;
}

int
export_flush(struct writer *w, size_t from, struct fault *why)
{
	if (w->out.len < from)
		return 0;
	if (file_write_at(w->fd, text_span(&w->out), w->at, why) < 0)
		return -1;
	w->at += (int64_t)w->out.len;
	text_clear(&w->out);
	return 0;
}

void
export_writer_free(struct writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	text_free(&w->out);
	for (int k = 0; k < LOGS; k++)
		text_free(&w->logs[k]);
}

void
export_time(struct text *out, int64_t us)
{
	autotext struct text t = {0};

	text_add_format(&t, "%lld %lld", (long long)(us / 1000000), (long long)(us % 1000000));
	postfix_put(out, 'T', text_span(&t));
}

void
export_flags(struct text *out, struct span ret, bool verify, bool report)
{
	postfix_put_number(out, "ret_flags", span_is_nocase(ret, "FULL")   ? POSTFIX_RET_FULL
	                                     : span_is_nocase(ret, "HDRS") ? POSTFIX_RET_HEADERS
	                                                                   : 0);
	postfix_put_number(out, "trace_flags", verify ? POSTFIX_TRACE_VERIFY : report ? POSTFIX_TRACE_REPORT : 0);
}

struct span
export_encoding(struct span body)
{
	return span_is_nocase(body, "8BITMIME") ? SPAN("8bit") : span_is_nocase(body, "7BIT") ? SPAN("7bit") : SPAN_NONE;
}
