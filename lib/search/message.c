/* SPDX-License-Identifier: ISC */
/*
 * message.c - what SEARCH looks at in a message, piece by piece
 */
#include "search/message.h"

#include "mail/casemap.h"
#include "mail/charset.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "search/markup.h"
#include "search/office.h"

struct walk {
	const struct search_visitor *visitor;
	const struct mime           *mime;
	struct arena                *arena;        /* of parameters; NULL until one is needed */
	struct text                  raw, utf8, folded;
	size_t                       budget;       /* still to be unpacked */
};

static void
end_walk(struct walk *w)
{
	text_free(&w->raw);
	text_free(&w->utf8);
	text_free(&w->folded);
	arena_free(w->arena);
}

static const struct { const char *name; unsigned zone; } zones[] = {
	{"From", ZONE_FROM}, {"To", ZONE_TO}, {"Cc", ZONE_CC}, {"Bcc", ZONE_BCC}, {"Subject", ZONE_SUBJECT},
};

unsigned
search_zone_of(struct span field)
{
	for (size_t i = 0; i < COUNT(zones); i++)
		if (span_is_nocase(field, zones[i].name))
			return zones[i].zone;
	return ZONE_HEADER;
}

/* CRLF as LF, in place. */
static void
join_line_ends(struct text *t)
{
	char *at = t->len ? memchr(t->at, '\r', t->len) : NULL, *to = at;

	if (!at)
		return;
	for (; at < t->at + t->len; at++)
		if (*at != '\r' || at + 1 == t->at + t->len || at[1] != '\n')
			*to++ = *at;
	text_cut(t, (size_t)(to - t->at));
}

void
search_string(struct span utf8, struct text *out)
{
	casemap_add(utf8, out);
	join_line_ends(out);
}

static bool
give(struct walk *w, struct search_piece *p)
{
	p->text = text_span(&w->folded);
	return w->visitor->visit(w->visitor->context, p);
}

static void
add_decoded(struct walk *w, struct span raw, bool encoded)
{
	text_clear(&w->raw);
	text_clear(&w->utf8);
	header_unfold(raw, &w->raw);
	if (encoded)
		encoded_word_decode(text_span(&w->raw), &w->utf8);
	else
		charset_to_utf8(SPAN("utf-8"), text_span(&w->raw), &w->utf8);
	casemap_add(text_span(&w->utf8), &w->folded);
}

static bool
give_field(struct walk *w, struct span header, const struct header_field *f, unsigned zone)
{
	struct search_piece piece = {.zone = zone, .name = f->name};
	size_t              value = f->name.len ? (size_t)(f->value.at - header.at) : f->start;

	text_clear(&w->folded);
	if (f->name.len && f->value.len == 0)
		value = f->end;
	add_decoded(w, span_cut(header, f->start, value), false);
	piece.value = w->folded.len;
	if (value < f->end)
		add_decoded(w, f->name.len ? f->value : span_cut(header, f->start, f->end), true);
	return give(w, &piece);
}

/* Fields in the zone, or with 0 each in its own. */
static bool
give_fields(struct walk *w, struct span header, unsigned zone)
{
	struct header_field f;
	size_t              at = 0;

	for (int n = 0; n < HEADER_FIELD_LIMIT && header_next(header, &at, &f); n++)
		if ((!w->visitor->field.len || zone || span_equal_nocase(f.name, w->visitor->field))
			&& !give_field(w, header, &f, zone ? zone : search_zone_of(f.name)))
			return false;
	return true;
}

bool
search_header(struct span header, const struct search_visitor *v)
{
	struct walk w = {.visitor = v};
	bool        whole = give_fields(&w, header, 0);

	end_walk(&w);
	return whole;
}

/* A file name in RFC 2231's clothes. */
static bool
give_hidden_name(struct walk *w, const struct mime_params *params, const char *name)
{
	struct search_piece piece = {.zone = ZONE_MIME};
	struct mime_param   p;

	if (!mime_param_find(params, name, &p) || !p.extended)
		return true;
	if (!w->arena)
		w->arena = arena_new();
	text_clear(&w->folded);
	casemap_add(mime_param_text(w->arena, params, name), &w->folded);
	return give(w, &piece);
}

static bool
give_mime_header(struct walk *w, const struct mime_part *p)
{
	bool own = p->parent && !p->parent->is_message;

	return (!own || give_fields(w, mime_header(w->mime, p), ZONE_MIME))
		&& give_hidden_name(w, &p->disposition_params, "filename") && give_hidden_name(w, &p->params, "name");
}

enum form { NO_TEXT, PLAIN, HTML, PERHAPS_OFFICE };

static enum form
form_of(const struct mime_part *p)
{
	static const char *const written[] = {"xml", "json", "javascript"};
	struct span              sub = p->subtype;

	if (p->is_multipart || p->is_message)
		return NO_TEXT;
	if (p->type.len == 0 || span_is_nocase(p->type, "text"))
		return span_is_nocase(sub, "html") ? HTML : PLAIN;
	if (span_is_nocase(p->type, "message"))
		return PLAIN;
	if (!span_is_nocase(p->type, "application"))
		return NO_TEXT;
	if (span_is_nocase(sub, "xhtml+xml"))
		return HTML;
	for (size_t i = 0; i < COUNT(written); i++)
		if (span_is_nocase(sub, written[i]))
			return PLAIN;
	return span_ends_nocase(sub, "+xml") || span_ends_nocase(sub, "+json") ? PLAIN : PERHAPS_OFFICE;
}

/* Does it begin as an archive, as it is written? */
static bool
begins_as_archive(struct span body)
{
	return span_starts(span_trim(span_first(body, 100)), "UEsDB") || office_is(body);
}

/* What was decoded, folded, as a piece of the body. */
static bool
give_body(struct walk *w, struct span utf8)
{
	struct search_piece piece = {.zone = ZONE_BODY};

	text_clear(&w->folded);
	casemap_add(utf8, &w->folded);
	return give(w, &piece);
}

static bool
give_office(struct walk *w, const struct mime_part *p)
{
	bool more;

	if (w->budget == 0 || !begins_as_archive(mime_body(w->mime, p)))
		return true;
	mime_decode_body(w->mime, p, &w->raw);
	if (office_is(text_span(&w->raw)))
		office_text(text_span(&w->raw), &w->budget, &w->utf8);
	more = w->utf8.len == 0 || give_body(w, text_span(&w->utf8));
	return more;
}

static bool
give_text(struct walk *w, const struct mime_part *p, bool html)
{
	struct mime_param charset = {.value = SPAN("utf-8")};

	mime_decode_body(w->mime, p, &w->raw);
	(void)mime_param_find(&p->params, "charset", &charset);
	(void)charset_to_utf8(span_trim(charset.value), text_span(&w->raw), &w->utf8);
	join_line_ends(&w->utf8);
	if (!give_body(w, text_span(&w->utf8)))
		return false;
	text_clear(&w->raw);
	if (html)
		markup_text(text_span(&w->utf8), &w->raw);
	return !html || give_body(w, text_span(&w->raw));
}

static bool
give_part(struct walk *w, const struct mime_part *p)
{
	struct mime_part first = *p;
	enum form        form = form_of(p);

	if (first.end - first.body > SEARCH_PART_MOST)
		first.end = first.body + SEARCH_PART_MOST;
	text_clear(&w->raw);
	text_clear(&w->utf8);
	if (form == NO_TEXT)
		return true;
	return form == PERHAPS_OFFICE ? give_office(w, &first) : give_text(w, &first, form == HTML);
}

bool
search_body(const struct mime *mime, unsigned wanted, const struct search_visitor *v)
{
	struct walk w = {.visitor = v, .mime = mime, .budget = SEARCH_UNPACKED_MOST};
	bool        more = true;

	for (struct mime_part *p = mime->root; p && more; p = mime_next(p)) {
		if (wanted & ZONE_MIME)
			more = give_mime_header(&w, p);
		if (more && wanted & ZONE_BODY && p->parent && p->parent->is_message)
			more = give_fields(&w, mime_header(mime, p), ZONE_BODY);
		if (more && wanted & ZONE_BODY)
			more = give_part(&w, p);
	}
	end_walk(&w);
	return more;
}
