/* SPDX-License-Identifier: ISC */
/*
 * header.c - walk over header fields; what is known about their names
 */
#include "mail/header.h"

/* ftext of RFC 5322, 3.6.8 */
static bool
is_ftext(char c)
{
	return c >= 33 && c <= 126 && c != ':';
}

/* Length of the name if the line begins with name, blanks (obsolete, 4.5.8) and ":", else 0. */
static size_t
name_length(struct span line, size_t *colon)
{
	size_t len = 0, i;

	while (len < line.len && is_ftext(line.at[len]))
		len++;
	for (i = len; i < line.len && (line.at[i] == ' ' || line.at[i] == '\t'); i++)
		;
	if (len == 0 || i == line.len || line.at[i] != ':')
		return 0;
	*colon = i;
	return len;
}

bool
header_line_is_field(struct span line)
{
	size_t colon;

	return name_length(line, &colon) > 0;
}

/* End of the line at `at`, its LF included. */
static size_t
line_end(struct span message, size_t at)
{
	const char *lf = memchr(message.at + at, '\n', message.len - at);

	return lf ? (size_t)(lf - message.at) + 1 : message.len;
}

static bool
is_empty_line(struct span message, size_t at)
{
	return message.at[at] == '\n' ||
	       (message.at[at] == '\r' && at + 1 < message.len && message.at[at + 1] == '\n');
}

bool
header_next(struct span message, size_t *at, struct header_field *field)
{
	struct header_field f = {.name = SPAN_NONE, .start = *at};
	size_t              end, len, colon = 0;

	if (*at >= message.len)
		return false;
	if (is_empty_line(message, *at)) {
		*at = line_end(message, *at);
		return false;
	}
	end = line_end(message, *at);
	len = name_length(span_cut(message, *at, end), &colon);
	while (len && end < message.len && (message.at[end] == ' ' || message.at[end] == '\t'))
		end = line_end(message, end);
	f.end = end;
	if (len)
		f.name = span_cut(message, *at, *at + len);
	f.value = span_trim(span_cut(message, *at + (len ? colon + 1 : 0), end));
	*at = end;
	*field = f;
	return true;
}

/* Fields or not, the first empty line ends it. */
size_t
header_body_offset(struct span message, size_t *header_end)
{
	size_t at = 0;

	while (at < message.len && !is_empty_line(message, at))
		at = line_end(message, at);
	if (header_end)
		*header_end = at;
	return at < message.len ? line_end(message, at) : at;
}

bool
header_find(struct span message, const char *name, struct header_field *field)
{
	struct header_field f;
	size_t              at = 0, count = 0;

	message = span_first(message, HEADER_SIZE_LIMIT);
	while (count++ < HEADER_FIELD_LIMIT && header_next(message, &at, &f)) {
		if (span_is_nocase(f.name, name)) {
			*field = f;
			return true;
		}
	}
	return false;
}

void
header_unfold(struct span value, struct text *out)
{
	while (value.len) {
		ptrdiff_t   end = span_find(value, '\n');
		struct span line = end < 0 ? value : span_first(value, (size_t)end);

		if (end >= 0 && span_ends(line, "\r"))
			line.len--;
		text_add(out, line);
		value = end < 0 ? SPAN_NONE : span_from(value, (size_t)end + 1);
	}
}

struct span
header_unfolded(struct arena *a, struct span value)
{
	autotext struct text out = {0};

	if (!span_has(value, '\n'))
		return span_trim(value);
	header_unfold(value, &out);
	return arena_span(a, span_trim(text_span(&out)));
}

unsigned
header_flags(struct span name)
{
	static const struct { const char *name; unsigned flags; } known[] = {
		{"Apparently-To",    HEADER_RECIPIENT},
		{"Bcc",              HEADER_RECIPIENT | HEADER_EXTRACT | HEADER_DROP},
		{"Cc",               HEADER_RECIPIENT | HEADER_EXTRACT},
		{"Content-Length",   HEADER_DROP},
		{"Delivered-To",     HEADER_TRACE},
		{"Disposition-Notification-To", HEADER_SENDER},
		{"Errors-To",        HEADER_SENDER},
		{"From",             HEADER_SENDER},
		{"MIME-Version",     HEADER_MIME},
		{"Mail-Followup-To", HEADER_SENDER},
		{"Received",         HEADER_TRACE},
		{"Reply-To",         HEADER_SENDER},
		{"Resent-Bcc",
		 HEADER_RECIPIENT | HEADER_EXTRACT | HEADER_RESENT | HEADER_DROP},
		{"Resent-Cc",        HEADER_RECIPIENT | HEADER_EXTRACT | HEADER_RESENT},
		{"Resent-Date",      HEADER_RESENT},
		{"Resent-From",      HEADER_SENDER | HEADER_RESENT},
		{"Resent-Message-Id", HEADER_RESENT},
		{"Resent-Reply-To",  HEADER_SENDER | HEADER_RESENT},
		{"Resent-Sender",    HEADER_SENDER | HEADER_RESENT},
		{"Resent-To",        HEADER_RECIPIENT | HEADER_EXTRACT | HEADER_RESENT},
		{"Return-Path",      HEADER_SENDER | HEADER_DROP | HEADER_TRACE},
		{"Return-Receipt-To", HEADER_SENDER},
		{"Sender",           HEADER_SENDER},
		{"To",               HEADER_RECIPIENT | HEADER_EXTRACT},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(name, known[i].name))
			return known[i].flags;
	return span_starts_nocase(name, "Content-") ? HEADER_MIME : 0;
}
