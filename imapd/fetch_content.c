/* SPDX-License-Identifier: ISC */
/*
 * fetch_content.c - what FETCH tells of a message's bytes: ENVELOPE, structures, sections, BINARY, PREVIEW
 *
 * Each reads no more than it needs: nothing where the index has it, the header, or all.
 */
#include "fetch_private.h"
#include "mail/header.h"
#include "mail/line.h"
#include "preview.h"

static struct span *
described_in(struct index_record *r, enum fetch_item_kind kind)
{
	return kind == FETCH_ENVELOPE ? &r->envelope : kind == FETCH_BODY ? &r->body : &r->structure;
}

static enum index_part
part_of(enum fetch_item_kind kind)
{
	return kind == FETCH_ENVELOPE ? INDEX_ENVELOPE : INDEX_STRUCTURE;
}

/* A structure in which message/global may be; more often than not it is not even looked for. */
static bool
mentions_global(struct span structure)
{
	for (size_t i = 0; i + 19 <= structure.len; i++)
		if (structure.at[i] == '"' && span_starts_nocase(span_from(structure, i), "\"message\" \"global\""))
			return true;
	return false;
}

/* What is kept is IMAP4rev1's, to which that is no message. */
static bool
is_of_rev1(const struct content *c, const struct span *kept)
{
	return c->global && mentions_global(*kept);
}

int
fetch_described(struct fetching *f, struct facts *facts, enum fetch_item_kind kind, struct text *out,
	struct fault *why)
{
	struct span *kept = described_in(content_record(&facts->content, part_of(kind)), kind);
	autotext struct text made = {0};
	struct mime         *mime;
	struct span          header;

	if (kept->len == 0 || is_of_rev1(&facts->content, kept)) {
		if (kind == FETCH_ENVELOPE) {
			if (content_fields(&facts->content, &header, why) < 0)
				return -1;
			imap_envelope(header, &made);
		} else {
			if (content_mime(&facts->content, &mime, why) < 0)
				return -1;
			if (kind == FETCH_BODY)
				imap_body(mime, &made);
			else
				imap_bodystructure(mime, &made);
		}
		if (facts->content.global && mentions_global(text_span(&made))) { /* not for others */
			text_add(out, text_span(&made));
			return 0;
		}
		*kept = arena_span(f->arena, text_span(&made));
		content_learn(&facts->content, part_of(kind));
	}
	text_add(out, *kept);
	return 0;
}

static bool
needs_header_only(const struct imap_section *s)
{
	return s->depth == 0 && (s->kind == SECTION_HEADER || s->kind == SECTION_HEADER_FIELDS
		|| s->kind == SECTION_HEADER_FIELDS_NOT);
}

static bool
needs_fields(const struct imap_section *s)
{
	return s->depth == 0 && (s->kind == SECTION_HEADER_FIELDS || s->kind == SECTION_HEADER_FIELDS_NOT);
}

/* Kept for the slice that comes next, if that is a part of the message as it is on disk. */
static struct slice *
begin_slice(struct imap_session *s, const struct content *c, const struct fetch_item *item, struct span bytes)
{
	uintptr_t at = (uintptr_t)bytes.at - (uintptr_t)c->all.at;

	if (!item->partial || !c->has_all || bytes.len < SLICE_LEAST || at > c->all.len || bytes.len > c->all.len - at)
		return NULL;
	if (!slice_is_of(&s->slice, &c->st, c->global, item->label))
		slice_begin(&s->slice, &c->st, c->global, item->label, at, bytes.len, line_crlf_size(bytes));
	return slice_is_of(&s->slice, &c->st, c->global, item->label) ? &s->slice : NULL;
}

static void
send_section(struct fetching *f, const struct content *c, const struct fetch_item *item, struct span bytes)
{
	struct imap_session *s = f->session;

	text_add(&s->out, item->label);
	text_add_byte(&s->out, ' ');
	content_send(s, bytes, item->partial ? item->start : 0, item->partial ? item->count : UINT64_MAX, begin_slice(s, c, item, bytes));
	if (needs_header_only(&item->section)) {
		s->counts.headers++;
		s->counts.header_bytes += bytes.len;
	} else {
		s->counts.bodies++;
		s->counts.body_bytes += bytes.len;
	}
}

static int
send_fields(struct fetching *f, struct content *c, const struct fetch_item *item, struct fault *why)
{
	autotext struct text chosen = {0};
	struct span          header;

	if ((item->fields_only ? content_fields : content_header)(c, &header, why) < 0)
		return -1;
	imap_section_fields(header, &item->section, &chosen);
	send_section(f, c, item, text_span(&chosen));
	return 0;
}

int
fetch_section(struct fetching *f, struct facts *facts, const struct fetch_item *item,
	struct fault *why)
{
	struct content   *c = &facts->content;
	struct imap_found found = {0};
	struct mime      *mime;
	struct span       all;

	if (item->partial && f->session->slice.known && !needs_header_only(&item->section) && !item->fields_only) {
		if (content_all(c, &all, why) < 0)
			return -1;
		if (slice_is_of(&f->session->slice, &c->st, c->global, item->label)) {
			send_section(f, c, item, span_first(span_from(all, f->session->slice.at), f->session->slice.len));
			return 0;
		}
	}
	if (item->section.kind == SECTION_ALL && item->section.depth == 0) {
		if (content_all(c, &all, why) < 0)
			return -1;
		send_section(f, c, item, all);
		return 0;
	}
	if (item->section.kind == SECTION_TEXT && item->section.depth == 0) {
		if (content_all(c, &all, why) < 0)
			return -1;
		send_section(f, c, item, span_from(all, header_body_offset(all, NULL)));
		return 0;
	}
	if (needs_fields(&item->section))
		return send_fields(f, c, item, why);
	if ((needs_header_only(&item->section) ? content_header_mime : content_mime)(c, &mime, why) < 0)
		return -1;
	imap_section_find(mime, &item->section, &found);
	if (!found.exists) {
		text_add(&f->session->out, item->label);
		text_add_string(&f->session->out, " NIL");
	} else {
		send_section(f, c, item, found.is_text ? text_span(&found.text)
			: span_cut(mime->message, found.offset, found.offset + found.length));
	}
	text_free(&found.text);
	return 0;
}

static bool
can_decode(struct span encoding)
{
	static const char *const known[] = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(encoding, known[i]))
			return true;
	return false;
}

/* BINARY[part] and BINARY.SIZE[part] */
int
fetch_binary(struct fetching *f, struct facts *facts, const struct fetch_item *item, struct fault *why)
{
	struct text            *out = &f->session->out;
	autotext struct text    bytes = {0}, told = {0};
	struct mime            *mime;
	const struct mime_part *p;
	struct span             encoding;

	if (content_mime(&facts->content, &mime, why) < 0)
		return -1;
	p = imap_section_part(mime, &item->section);
	encoding = p && item->section.depth ? p->encoding : SPAN_NONE;
	text_add(out, item->label);
	text_add_byte(out, ' ');
	if (p && !can_decode(encoding))
		f->unknown_encoding = true;
	if (!p || !can_decode(encoding)) {
		text_add_string(out, item->kind == FETCH_BINARY ? "NIL" : "0");
		return 0;
	}
	if (span_is_nocase(encoding, "base64")) {
		mime_decode_body(mime, p, &told);
	} else {
		if (item->section.depth == 0)
			text_add(&bytes, mime->message);
		else
			mime_decode_body(mime, p, &bytes);
		line_add_crlf(text_span(&bytes), &told); /* what was not encoded has LF here, and CRLF in BODY[] */
	}
	if (item->kind == FETCH_BINARY_SIZE) {
		text_add_format(out, "%zu", told.len);
		return 0;
	}
	content_send_binary(f->session, text_span(&told), item->partial ? item->start : 0,
		item->partial ? item->count : UINT64_MAX);
	f->session->counts.bodies++;
	f->session->counts.body_bytes += told.len;
	return 0;
}

int
fetch_preview(struct fetching *f, struct facts *facts, struct fault *why)
{
	autotext struct text preview = {0};
	struct mime         *mime;

	if (content_mime(&facts->content, &mime, why) < 0)
		return -1;
	preview_make(mime, &preview);
	text_add_string(&f->session->out, "PREVIEW ");
	imap_add_string(text_span(&preview), &f->session->out);
	return 0;
}

bool
fetch_is_at_hand(struct fetching *f, struct facts *facts, struct fault *why)
{
	for (size_t i = 0; i < f->items.count; i++) {
		int64_t     date;
		uint64_t    size;
		struct span all, *kept;

		switch (f->items.at[i].kind) {
		case FETCH_UID:
		case FETCH_FLAGS:
		case FETCH_MODSEQ:
		case FETCH_EMAILID:
		case FETCH_THREADID:
		case FETCH_SAVEDATE:
			continue;
		case FETCH_PREVIEW:
		case FETCH_BINARY:
		case FETCH_BINARY_SIZE:
			if (content_all(&facts->content, &all, why) < 0)
				return false;
			continue;
		case FETCH_INTERNALDATE:
			if (content_date(&facts->content, &date, why) < 0)
				return false;
			continue;
		case FETCH_SIZE:
			if (content_full_size(&facts->content, &size, why) < 0)
				return false;
			continue;
		case FETCH_SECTION:
			if ((f->items.at[i].fields_only ? content_fields
				: needs_header_only(&f->items.at[i].section) ? content_header : content_all)
				(&facts->content, &all, why) < 0)
				return false;
			continue;
		default:
			kept = described_in(content_record(&facts->content, part_of(f->items.at[i].kind)), f->items.at[i].kind);
			if ((kept->len == 0 || is_of_rev1(&facts->content, kept)) && content_begin(&facts->content, why) < 0)
				return false;
		}
	}
	return true;
}
