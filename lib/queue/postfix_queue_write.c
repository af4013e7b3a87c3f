/* SPDX-License-Identifier: ISC */
/*
 * postfix_queue_write.c - writing records as Postfix reads them, and its logs both ways
 */
#include "queue/postfix_queue.h"

#include <assert.h>
#include <inttypes.h>

void
postfix_put(struct text *out, char type, struct span value)
{
	size_t length = value.len;

	text_add_byte(out, type);
	do {
		text_add_byte(out, (char)((length & 127) | (length > 127 ? 128 : 0)));
		length >>= 7;
	} while (length);
	text_add(out, value);
}

void
postfix_put_attribute(struct text *out, const char *name, struct span value)
{
	autotext struct text both = {0};

	if (!value.len)
		return;
	text_add_format(&both, "%s=%.*s", name, SPAN_ARGS(value));
	postfix_put(out, 'A', text_span(&both));
}

void
postfix_put_number(struct text *out, const char *name, int64_t n)
{
	autotext struct text number = {0};

	if (!n)
		return;
	text_add_format(&number, "%" PRId64, n);
	postfix_put_attribute(out, name, text_span(&number));
}

static void
put_parts(struct text *out, struct span s, bool *partial)
{
	while (s.len) {
		postfix_put(out, 'L', span_first(s, POSTFIX_LINE_PART));
		s = span_from(s, POSTFIX_LINE_PART);
		*partial = true;
	}
}

/* A CR at the end of `in` may be half a line end: the caller keeps it back. */
void
postfix_put_content(struct text *out, struct span in, bool *partial)
{
	struct span line;

	while (in.len) {
		ptrdiff_t end = span_find_text(in, SPAN("\r\n"));

		if (end < 0) {
			put_parts(out, in, partial);
			return;
		}
		line = span_first(in, (size_t)end);
		if (line.len > POSTFIX_LINE_PART) {
			size_t whole = (line.len - 1) / POSTFIX_LINE_PART * POSTFIX_LINE_PART;

			put_parts(out, span_first(line, whole), partial);
			line = span_from(line, whole);
		}
		postfix_put(out, 'N', line);
		*partial = false;
		in = span_from(in, (size_t)end + 2);
	}
}

/* As Postfix ends a message whose last line has no end. */
void
postfix_put_line_end(struct text *out, bool partial)
{
	if (partial)
		postfix_put(out, 'N', SPAN_NONE);
}

void
postfix_put_size(struct text *out, int64_t size, int64_t content_at, size_t rcpts, bool smtputf8)
{
	autotext struct text value = {0};

	text_add_format(&value, "%15" PRId64 " %15" PRId64 " %15zu %15d %15" PRId64 " %15d", size, content_at, rcpts, 0, size,
	                smtputf8);
	postfix_put(out, 'C', text_span(&value));
	assert(out->len >= POSTFIX_SIZE_RECORD);
}

/* ---- logs ---- */

static void
take_line(struct postfix_reason *r, struct span line)
{
	const struct { const char *name; struct span *to; } texts[] = {
		{"recipient", &r->recipient}, {"original_recipient", &r->original}, {"dsn_orig_rcpt", &r->orcpt},
		{"status", &r->status}, {"action", &r->action}, {"reason", &r->reason}, {"mta_mname", &r->mta},
		{"diag_text", &r->diagnostic}};
	struct span name;
	uint64_t    n;

	if (!span_split(&line, '=', &name))
		return;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_is(name, texts[i].name))
			*texts[i].to = line;
	if (span_is(name, "offset") && span_number(line, &n) && n <= INT64_MAX)
		r->at = (int64_t)n;
	if (span_is(name, "notify_flags") && span_number(line, &n) && n < 16)
		r->notify = (int)n;
}

bool
postfix_reason_next(struct span *rest, struct postfix_reason *out)
{
	struct postfix_reason r = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, 0, 0};
	struct span           line;

	while (rest->len) {
		span_split(rest, '\n', &line);
		if (line.len) {
			take_line(&r, line);
		} else if (r.recipient.len) {
			break;
		}
	}
	if (!r.recipient.len)
		return false;
	*out = r;
	return true;
}

static void
put_line(struct text *out, const char *name, struct span value)
{
	if (!value.len)
		return;
	text_add_format(out, "%s=", name);
	for (size_t i = 0; i < value.len; i++)
		text_add_byte(out, (unsigned char)value.at[i] < ' ' ? ' ' : value.at[i]);
	text_add_byte(out, '\n');
}

void
postfix_reason_print(const struct postfix_reason *r, struct text *out)
{
	text_add_format(out, "\n<%.*s>: %.*s\n", SPAN_ARGS(r->recipient), SPAN_ARGS(r->reason));
	put_line(out, "recipient", r->recipient);
	put_line(out, "original_recipient", r->original);
	if (r->at)
		text_add_format(out, "offset=%" PRId64 "\n", r->at);
	put_line(out, "dsn_orig_rcpt", r->orcpt);
	if (r->notify)
		text_add_format(out, "notify_flags=%d\n", r->notify);
	put_line(out, "status", r->status);
	put_line(out, "action", r->action);
	if (r->diagnostic.len) {
		text_add_string(out, "diag_type=smtp\n");
		put_line(out, "diag_text", r->diagnostic);
	}
	if (r->mta.len) {
		text_add_string(out, "mta_type=dns\n");
		put_line(out, "mta_mname", r->mta);
	}
	put_line(out, "reason", r->reason);
	text_add_byte(out, '\n');
}
