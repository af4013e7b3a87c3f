/* SPDX-License-Identifier: ISC */
/*
 * cleanup_strict.c - which bytes, and which MIME, a message may hold
 *
 * message_strip_characters, message_reject_characters; strict_7bit_headers,
 * strict_8bitmime_body, strict_8bitmime (both), strict_mime_encoding_domain and
 * mime_nesting_limit, as postconf(5) says.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cleanup.h"
#include "mail/charset.h"
#include "mail/mime.h"

enum { PORTION = 65536, STRICT_MAX = 64 << 20 };

/* ---- characters ---- */

struct byte_set { bool has[256]; bool any; };

static struct byte_set stripped, rejected;

static bool
take_escape(struct span s, size_t *at, unsigned char *out)
{
	static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
	char              c = s.at[(*at)++];
	const char       *known = c ? strchr(letters, c) : NULL;
	unsigned          value = 0;

	if (known) {
		*out = (unsigned char)values[known - letters];
		return true;
	}
	if (c < '0' || c > '7')
		return false;
	value = (unsigned)(c - '0');
	for (int i = 0; i < 2 && *at < s.len && s.at[*at] >= '0' && s.at[*at] <= '7'; i++)
		value = value * 8 + (unsigned)(s.at[(*at)++] - '0');
	*out = (unsigned char)value;
	return value < 256;
}

/* "\0\r" and the like, as in C. */
static int
read_set(const char *text, const char *name, struct byte_set *set, struct fault *why)
{
	struct span s = span_of(text);

	for (size_t at = 0; at < s.len;) {
		unsigned char c = (unsigned char)s.at[at++];

		if (c == '\\' && (at == s.len || !take_escape(s, &at, &c)))
			return fault_set(why, FAULT_INPUT, "%s: bad escape sequence", name);
		set->has[c] = set->any = true;
	}
	return 0;
}

int
cleanup_strict_open(struct fault *why)
{
	cleanup_config.strict_headers |= cleanup_config.strict_8bitmime;
	cleanup_config.strict_body |= cleanup_config.strict_8bitmime;
	if (read_set(cleanup_config.message_strip_characters, "message_strip_characters", &stripped, why) < 0)
		return -1;
	return read_set(cleanup_config.message_reject_characters, "message_reject_characters", &rejected, why);
}

static size_t
strip(char *bytes, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++)
		if (!stripped.has[(unsigned char)bytes[i]])
			bytes[kept++] = bytes[i];
	return kept;
}

/* In place, while nobody has seen the content yet; what is refused is looked for in what is left. */
int
message_check_characters(struct message *m, int64_t *length, struct fault *why)
{
	autofree char *bytes = NULL;
	int            fd = queue_draft_fd(m->draft);
	int64_t        to = 0;

	if (!stripped.any && !rejected.any)
		return 0;
	bytes = mem_alloc(PORTION);
	for (int64_t from = 0; from < *length;) {
		size_t n = (size_t)(*length - from < PORTION ? *length - from : PORTION), kept;

		if (file_read_at(fd, bytes, n, QUEUE_CONTENT_AT + from, why) < 0)
			return -1;
		from += (int64_t)n;
		kept = stripped.any ? strip(bytes, n) : n;
		for (size_t i = 0; i < kept && rejected.any; i++)
			if (rejected.has[(unsigned char)bytes[i]])
				return message_refuse(m, "5.7.1", why, "disallowed character");
		if (stripped.any && file_write_at(fd, span_at(bytes, kept), QUEUE_CONTENT_AT + to, why) < 0)
			return -1;
		to += (int64_t)kept;
	}
	*length = to;
	return 0;
}

/* ---- MIME ---- */

static bool
is_composite(const struct mime_part *p)
{
	return p->is_multipart || span_is_nocase(p->type, "message") || span_is_nocase(p->type, "multipart");
}

static bool
hides_8bit(const struct mime_part *p)
{
	return span_is_nocase(p->encoding, "8bit") || span_is_nocase(p->encoding, "binary") ||
	       span_is_nocase(p->encoding, "quoted-printable") || span_is_nocase(p->encoding, "base64");
}

static const char *
wrong_with(const struct message *m, const struct mime *mime, const struct mime_part *p)
{
	const struct cleanup_config *c = &cleanup_config;

	if (p->depth > (unsigned)c->mime_nesting_limit || mime->cut)
		return "MIME nesting exceeds safety limit";
	if (c->strict_headers && !m->envelope.smtputf8 && !span_is_ascii(mime_header(mime, p)))
		return "improper use of 8-bit data in message header";
	if (c->strict_body && !is_composite(p) && !hides_8bit(p) && !span_is_ascii(mime_body(mime, p)))
		return "improper use of 8-bit data in message body";
	if (c->strict_mime_encoding_domain && is_composite(p) &&
	    (span_is_nocase(p->encoding, "quoted-printable") || span_is_nocase(p->encoding, "base64")))
		return "invalid message/* or multipart/* encoding domain";
	return NULL;
}

/* The whole message, when somebody wants to know; none of this is on by default. */
int
message_check_mime(struct message *m, struct fault *why)
{
	const struct cleanup_config *c = &cleanup_config;
	autofree char               *bytes = NULL;
	autoarena struct arena      *arena = NULL;
	int64_t                      length = m->envelope.length < STRICT_MAX ? m->envelope.length : STRICT_MAX;
	const struct mime           *mime;

	if (c->disable_mime_input_processing || (!c->strict_headers && !c->strict_body &&
	                                         !c->strict_mime_encoding_domain && c->mime_nesting_limit == 100))
		return 0;
	bytes = mem_alloc((size_t)length + 1);
	if (file_read_at(queue_draft_fd(m->draft), bytes, (size_t)length, QUEUE_CONTENT_AT, why) < 0)
		return -1;
	arena = arena_new();
	mime = mime_parse(arena, span_at(bytes, (size_t)length));
	for (const struct mime_part *p = mime->root; p; p = mime_next(p)) {
		const char *wrong = wrong_with(m, mime, p);

		if (wrong)
			return message_refuse(m, "5.6.0", why, "%s", wrong);
	}
	return 0;
}
