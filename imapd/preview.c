/* SPDX-License-Identifier: ISC */
/*
 * preview.c - the first words of a message (RFC 8970), and its EMAILID (RFC 8474)
 */
#include "preview.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "mail/charset.h"

enum { LOOK_AT = 65536 };      /* bytes of a decoded part */

static struct mime_part *
first_text(const struct mime *m, const char *subtype)
{
	for (struct mime_part *p = m->root; p; p = mime_next(p))
		if (!p->is_multipart && !p->is_message && (p->type.len == 0 || span_is_nocase(p->type, "text"))
			&& span_is_nocase(p->subtype.len ? p->subtype : SPAN("plain"), subtype)
			&& !span_is_nocase(p->disposition, "attachment"))
			return p;
	return NULL;
}

static const struct {
	const char *name, *text;
} entities[] = {
	{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "},
};

/* "&amp;", "&#8217;": the length of what stood there, 0 when it is none. */
static size_t
add_entity(struct span s, struct text *out)
{
	ptrdiff_t   end = span_find(span_first(s, 12), ';');
	struct span name;
	uint64_t    n;

	if (end < 2)
		return 0;
	name = span_cut(s, 1, (size_t)end);
	for (size_t i = 0; i < COUNT(entities); i++)
		if (span_is(name, entities[i].name)) {
			text_add_string(out, entities[i].text);
			return (size_t)end + 1;
		}
	if (name.at[0] == '#' && span_number(span_from(name, 1), &n) && n >= ' ' && n < 0xd800) {
		utf8_add((uint32_t)n, out);
		return (size_t)end + 1;
	}
	return 0;
}

/* What stands between "<style" and "</style": no words. */
static size_t
skip_element(struct span s, const char *name)
{
	for (size_t i = 1; i + 1 < s.len; i++)
		if (s.at[i] == '<' && s.at[i + 1] == '/' && span_starts_nocase(span_from(s, i + 2), name))
			return i;
	return s.len;
}

static void
strip_tags(struct span s, struct text *out)
{
	static const char *const mute[] = {"style", "script", "head", "title"};

	while (s.len) {
		size_t n = 0;

		if (s.at[0] == '<') {
			ptrdiff_t end;

			for (size_t i = 0; n == 0 && i < COUNT(mute); i++)
				if (span_starts_nocase(span_from(s, 1), mute[i]) && s.len > strlen(mute[i]) + 1
					&& !ascii_alpha(s.at[strlen(mute[i]) + 1]))
					n = skip_element(s, mute[i]);
			if (n == 0) {
				end = span_find(s, '>');
				n = end < 0 ? s.len : (size_t)end + 1;
			}
			text_add_byte(out, ' ');
		} else if (s.at[0] == '&') {
			n = add_entity(s, out);
		}
		if (n == 0) {
			text_add_byte(out, s.at[0]);
			n = 1;
		}
		s = span_from(s, n);
	}
}

static void
add_words(struct span s, struct text *out)
{
	bool blank = false;

	for (size_t count = 0; s.len && count < PREVIEW_CHARACTERS;) {
		size_t n = utf8_length(s);

		if (n <= 1 && ((unsigned char)s.at[0] <= ' ' || s.at[0] == 0x7f || n == 0)) {
			blank = out->len > 0;
			s = span_from(s, 1);
			continue;
		}
		if (blank && count + 2 > PREVIEW_CHARACTERS)
			return;
		if (blank) {
			text_add_byte(out, ' ');
			count++;
		}
		blank = false;
		text_add(out, span_first(s, n));
		s = span_from(s, n);
		count++;
	}
}

void
preview_make(const struct mime *m, struct text *out)
{
	struct mime_part    *plain = first_text(m, "plain"), *html = first_text(m, "html");
	autotext struct text decoded = {0}, stripped = {0};

	if (plain)
		mime_decode_text(m, plain, &decoded);
	if (plain && span_trim(text_span(&decoded)).len) {
		add_words(span_first(text_span(&decoded), LOOK_AT), out);
	} else if (html) {
		text_clear(&decoded);
		mime_decode_text(m, html, &decoded);
		strip_tags(span_first(text_span(&decoded), LOOK_AT), &stripped);
		add_words(text_span(&stripped), out);
	}
}

void
object_id_of(struct span guid, char out[33])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned      len = 0;
	bool          hex = guid.len == 32;

	for (size_t i = 0; hex && i < guid.len; i++)
		hex = ascii_digit(guid.at[i]) || (guid.at[i] >= 'a' && guid.at[i] <= 'f');
	if (hex) {
		memcpy(out, guid.at, 32);
		out[32] = '\0';
		return;
	}
	EVP_Digest(guid.at, guid.len, digest, &len, EVP_sha1(), NULL);
	for (unsigned i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[4 + i]);
}
