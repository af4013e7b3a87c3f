/* SPDX-License-Identifier: ISC */
/*
 * preview.c - the first words of a message (RFC 8970), and its EMAILID (RFC 8474)
 */
#include "preview.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "mail/charset.h"
#include "mail/html.h"

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
		html_text(span_first(text_span(&decoded), LOOK_AT), &stripped);
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
