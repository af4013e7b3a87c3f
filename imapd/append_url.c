/* SPDX-License-Identifier: ISC */
/*
 * append_url.c - the piece of a message that CATENATE's URL names (RFC 4469, 5092, 5550)
 */
#include "append_url.h"

#include "acl.h"
#include "content.h"
#include "mail/line.h"
#include "names.h"
#include "store/mutf7.h"

static int
hex_value(char c)
{
	return ascii_digit(c) ? c - '0' : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f'
		? ascii_lower(c) - 'a' + 10 : -1;
}

static bool
decode(struct span s, struct text *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.at[i] != '%') {
			text_add_byte(out, s.at[i]);
			continue;
		}
		if (i + 2 >= s.len || (high = hex_value(s.at[i + 1])) < 0 || (low = hex_value(s.at[i + 2])) < 0
			|| high * 16 + low < ' ')
			return false;
		text_add_byte(out, (char)(high * 16 + low));
		i += 2;
	}
	return true;
}

static bool
take_number(struct span s, uint32_t *out)
{
	uint64_t n;

	if (!span_number(s, &n) || n == 0 || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
parse_piece(struct arena *arena, struct span piece, struct append_url *u)
{
	struct span first;

	if (span_starts_nocase(piece, "UIDVALIDITY="))
		return take_number(span_from(piece, 12), &u->validity);
	if (span_starts_nocase(piece, "UID="))
		return take_number(span_from(piece, 4), &u->uid);
	if (span_starts_nocase(piece, "SECTION=")) {
		autotext struct text section = {0};

		return decode(span_from(piece, 8), &section)
			&& imap_section_parse(arena, arena_span(arena, text_span(&section)), &u->section, NULL) == 0;
	}
	if (!span_starts_nocase(piece, "PARTIAL="))
		return false;
	piece = span_from(piece, 8);
	u->partial = true;
	u->count = UINT64_MAX;
	if (!span_split(&piece, '.', &first))
		return span_number(first, &u->start);
	return span_number(first, &u->start) && span_number(piece, &u->count) && u->count > 0;
}

int
append_url_parse(struct arena *arena, struct span url, struct append_url *u, struct fault *why)
{
	struct span path, piece;

	*u = (struct append_url){0};
	if (!span_starts(url, "/") || span_starts(url, "//"))
		return fault_set(why, FAULT_INPUT, "only URLs of one's own mailboxes");
	url = span_from(url, 1);
	span_split(&url, ';', &path);
	if (span_ends(path, "/"))
		path.len--;
	if (path.len == 0 || !decode(path, &u->mailbox))
		return fault_set(why, FAULT_INPUT, "no mailbox");
	while (url.len) {
		span_split(&url, ';', &piece);
		if (span_ends(piece, "/"))
			piece.len--;
		if (!parse_piece(arena, piece, u))
			return fault_set(why, FAULT_INPUT, "a part that is not understood");
	}
	return u->uid ? 0 : fault_set(why, FAULT_INPUT, "no UID");
}

static int
read_section(struct content *c, const struct append_url *u, struct text *out)
{
	autotext struct text all = {0};
	struct imap_found    found = {0};
	struct mime         *mime;
	struct span          bytes;

	if (content_mime(c, &mime, NULL) < 0)
		return -1;
	imap_section_find(mime, &u->section, &found);
	if (found.exists)
		line_add_crlf(found.is_text ? text_span(&found.text)
			: span_cut(mime->message, found.offset, found.offset + found.length), &all);
	text_free(&found.text);
	bytes = text_span(&all);
	if (u->partial) {
		bytes = span_from(bytes, u->start < bytes.len ? (size_t)u->start : bytes.len);
		bytes = span_first(bytes, u->count < bytes.len ? (size_t)u->count : bytes.len);
	}
	text_add(out, bytes);
	return found.exists ? 0 : -1;
}

int
append_url_read(struct imap_session *s, struct span url, struct text *out)
{
	struct append_url    u;
	autofree char       *folder = NULL;
	struct space        *in;
	autotext struct text name = {0};
	struct folder       *f;
	struct content       c;
	int                  result;

	result = append_url_parse(s->arena, url, &u, NULL);
	if (result == 0) {
		if (name_is_utf8(s))
			text_add(&name, text_span(&u.mailbox));
		else
			result = mutf7_encode(text_span(&u.mailbox), &name, NULL);
	}
	text_free(&u.mailbox);
	if (result < 0 || name_find(s, text_span(&name), &in, &folder, NULL) < 0
		|| (in->kind != SPACE_OWN && !imap_exists(s, in, folder)) || !(acl_rights_of(s, in, folder) & ACL_READ)
		|| folder_open(in->maildir, folder, FOLDER_READ_ONLY, &f, NULL) < 0)
		return -1;
	autoarena struct arena *arena = arena_new();

	content_start(&c, s, u.uid, arena);
	c.folder = f;
	result = u.validity && u.validity != f->list.validity ? -1 : read_section(&c, &u, out);
	content_end(&c);
	folder_close(f);
	return result;
}
