/* SPDX-License-Identifier: ISC */
/*
 * office.c - the words of office documents
 *
 * The directory at the archive's end says what there is (4.3.12 of APPNOTE.TXT); sizes that it tells are believed only as
 * far as they lie in the archive, and nothing is allocated by them.
 */
#include "search/office.h"

#include <zlib.h>

#include "mail/charset.h"
#include "search/markup.h"

enum {
	END_SIZE = 22, COMMENT_MOST = 65535, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, STORED = 0, DEFLATED = 8, ENCRYPTED = 1,
	SMALL = 65536            /* unpacked whatever the ratio: little costs little */
};

struct member {
	struct span name, packed;
	unsigned    method;
};

static uint32_t
number(struct span s, size_t at, size_t size)
{
	uint32_t n = 0;

	for (size_t i = 0; i < size && at + i < s.len; i++)
		n |= (uint32_t)(unsigned char)s.at[at + i] << (8 * i);
	return n;
}

bool
office_is(struct span bytes)
{
	return span_starts(bytes, "PK\3\4");
}

/* The directory of the archive; empty: none. */
static struct span
directory(struct span zip, size_t *entries)
{
	size_t first = zip.len > END_SIZE + COMMENT_MOST ? zip.len - END_SIZE - COMMENT_MOST : 0;

	if (zip.len < END_SIZE)
		return SPAN_NONE;
	for (size_t at = zip.len - END_SIZE + 1; at > first;) {
		struct span end = span_from(zip, --at);

		if (span_starts(end, "PK\5\6")) {
			*entries = number(end, 10, 2);
			return span_first(span_from(zip, number(end, 16, 4)), number(end, 12, 4));
		}
	}
	return SPAN_NONE;
}

/* The next member; false: no more.  One that cannot be read has an empty name. */
static bool
next_member(struct span zip, struct span *rest, struct member *m)
{
	size_t      name = number(*rest, 28, 2), extra = number(*rest, 30, 2), comment = number(*rest, 32, 2);
	size_t      packed = number(*rest, 20, 4);
	struct span local = span_from(zip, number(*rest, 42, 4));

	if (!span_starts(*rest, "PK\1\2") || rest->len < CENTRAL_SIZE + name)
		return false;
	*m = (struct member){.name = span_cut(*rest, CENTRAL_SIZE, CENTRAL_SIZE + name), .method = number(*rest, 10, 2)};
	local = span_starts(local, "PK\3\4") ? span_from(local, LOCAL_SIZE + number(local, 26, 2) + number(local, 28, 2)) : SPAN_NONE;
	if (number(*rest, 8, 2) & ENCRYPTED || local.len < packed || (m->method != STORED && m->method != DEFLATED))
		m->name = SPAN_NONE;
	m->packed = span_first(local, packed);
	*rest = span_from(*rest, CENTRAL_SIZE + name + extra + comment);
	return true;
}

static bool
has_words(struct span name)
{
	static const char *const whole[] = {
		"content.xml", "meta.xml", "docProps/core.xml", "word/document.xml", "word/footnotes.xml", "word/endnotes.xml",
		"word/comments.xml", "xl/sharedStrings.xml", "xl/comments1.xml",
	};
	static const char *const starts[] = {"word/header", "word/footer", "ppt/slides/slide", "ppt/notesSlides/notesSlide"};

	for (size_t i = 0; i < COUNT(whole); i++)
		if (span_is(name, whole[i]))
			return true;
	for (size_t i = 0; i < COUNT(starts); i++)
		if (span_starts(name, starts[i]) && span_ends(name, ".xml"))
			return true;
	return false;
}

static void
unpack(struct span packed, size_t most, struct text *out)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.at, .avail_in = (uInt)packed.len};
	int      code = Z_OK;

	if (packed.len > UINT32_MAX || inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return;
	while (code == Z_OK && out->len < most) {
		size_t room = most - out->len < SMALL ? most - out->len : SMALL;

		z.next_out = (Bytef *)text_room(out, room);
		z.avail_out = (uInt)room;
		code = inflate(&z, Z_NO_FLUSH);
		out->len += room - z.avail_out;
		out->at[out->len] = '\0';
	}
	inflateEnd(&z);
}

static void
add_member(const struct member *m, size_t *budget, struct text *out)
{
	autotext struct text bytes = {0}, utf8 = {0};
	size_t               most = m->packed.len * OFFICE_RATIO_MOST + SMALL, cost;

	if (most > *budget)
		most = *budget;
	if (m->method == DEFLATED)
		unpack(m->packed, most, &bytes);
	else
		text_add(&bytes, span_first(m->packed, most));
	cost = bytes.len > m->packed.len ? bytes.len : m->packed.len; /* blocks of nothing cost time, too */
	*budget -= cost < *budget ? cost : *budget;
	charset_to_utf8(SPAN("utf-8"), text_span(&bytes), &utf8);
	if (out->len)
		text_add_byte(out, '\n');
	markup_text(text_span(&utf8), out);
}

void
office_text(struct span zip, size_t *budget, struct text *out)
{
	size_t        entries = 0, mine = *budget < OFFICE_UNPACKED_MOST ? *budget : OFFICE_UNPACKED_MOST, whole = mine;
	struct span   rest = directory(zip, &entries);
	struct member m;

	for (size_t i = 0; i < entries && i < OFFICE_ENTRIES_MOST && mine && next_member(zip, &rest, &m); i++)
		if (has_words(m.name))
			add_member(&m, &mine, out);
	*budget -= whole - mine;
}
