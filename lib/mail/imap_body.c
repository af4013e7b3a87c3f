/* SPDX-License-Identifier: ISC */
/*
 * imap_body.c - ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501, 7.4.2)
 */
#include "mail/imap_body.h"

#include "mail/header.h"

#define QUOTED_LIMIT 1000

/* False: it cannot be quoted.  Each byte is looked at once: they may lie in a file that is written to meanwhile. */
static bool
add_quoted(struct span s, struct text *out)
{
	char *begin, *at;

	if (s.len > QUOTED_LIMIT)
		return false;
	begin = at = text_room(out, 2 * s.len + 2);
	*at++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if ((unsigned char)c < ' ' || (unsigned char)c > 126) {
			*begin = '\0';
			return false;
		}
		if (c == '"' || c == '\\')
			*at++ = '\\';
		*at++ = c;
	}
	*at++ = '"';
	*at = '\0';
	out->len += (size_t)(at - begin);
	return true;
}

void
imap_add_number(uint64_t n, struct text *out)
{
	char  digits[20];
	char *at = digits + sizeof digits;

	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	text_add(out, span_at(at, (size_t)(digits + sizeof digits - at)));
}

void
imap_add_string(struct span s, struct text *out)
{
	if (add_quoted(s, out))
		return;
	text_add_format(out, "{%zu}\r\n", s.len);
	for (size_t i = 0; i < s.len; i++)      /* CHAR8 holds no NUL (RFC 3501, 9) */
		text_add_byte(out, s.at[i] ? s.at[i] : ' ');
}

/* Nothing is NIL. */
static void
imap_add_nstring(struct span s, struct text *out)
{
	if (s.at && s.len)
		imap_add_string(s, out);
	else
		text_add(out, SPAN("NIL"));
}

/* Fields of an ENVELOPE in its order. */
enum {
	E_DATE, E_SUBJECT, E_FROM, E_SENDER, E_REPLY_TO, E_TO, E_CC, E_BCC, E_IN_REPLY_TO,
	E_MESSAGE_ID, E_COUNT
};

static const struct { struct span name; bool is_list; } envelope_fields[E_COUNT] = {
	{SPAN("Date"), false}, {SPAN("Subject"), false}, {SPAN("From"), true}, {SPAN("Sender"), true}, {SPAN("Reply-To"), true},
	{SPAN("To"), true}, {SPAN("Cc"), true}, {SPAN("Bcc"), true}, {SPAN("In-Reply-To"), false}, {SPAN("Message-ID"), false},
};

static void
add_address(const struct mailbox *m, struct text *out)
{
	if (m->kind == GROUP_START) {
		text_add(out, SPAN("(NIL NIL "));
		imap_add_string(m->name, out);
		text_add(out, SPAN(" NIL)"));
		return;
	}
	if (m->kind == GROUP_END) {
		text_add(out, SPAN("(NIL NIL NIL NIL)"));
		return;
	}
	text_add_byte(out, '(');
	imap_add_nstring(m->name, out);
	text_add_byte(out, ' ');
	imap_add_nstring(m->route, out);
	text_add_byte(out, ' ');
	/* NIL would mean a group: Dovecot's words for what is missing */
	imap_add_string(m->local.len ? m->local : SPAN("MISSING_MAILBOX"), out);
	text_add_byte(out, ' ');
	imap_add_string(m->domain.len ? m->domain : SPAN("MISSING_DOMAIN"), out);
	text_add_byte(out, ')');
}

static void
add_list(const struct address_list *list, struct text *out)
{
	if (!list || list->count == 0) {
		text_add(out, SPAN("NIL"));
		return;
	}
	text_add_byte(out, '(');
	for (size_t i = 0; i < list->count; i++)
		add_address(&list->at[i], out);
	text_add_byte(out, ')');
}

struct envelope {
	struct span         values[E_COUNT];
	bool                seen[E_COUNT];
};

static void
collect(struct arena *a, struct span header, struct envelope *e)
{
	struct header_field f;
	size_t              at = 0, count = 0;

	header = span_first(header, HEADER_SIZE_LIMIT);
	while (count++ < HEADER_FIELD_LIMIT && header_next(header, &at, &f)) {
		for (int i = 0; i < E_COUNT; i++) {
			if (f.name.len != envelope_fields[i].name.len || !span_equal_nocase(f.name, envelope_fields[i].name))
				continue;
			if (e->seen[i])      /* once each (RFC 5322, 3.6); the first one counts */
				break;
			e->seen[i] = true;
			e->values[i] =
				envelope_fields[i].is_list ? f.value : header_unfolded(a, f.value);
			break;
		}
	}
}

void
imap_envelope(struct span header, struct text *out)
{
	autoarena struct arena *a = arena_new();
	struct envelope     e = {0};
	struct address_list from = {0}, list;

	collect(a, header, &e);
	address_list_parse(a, e.values[E_FROM].at ? e.values[E_FROM] : SPAN_NONE,
	                   ADDRESS_LIST_LIMIT, &from);
	text_add_byte(out, '(');
	for (int i = 0; i < E_COUNT; i++) {
		struct span value = e.values[i].at ? e.values[i] : SPAN_NONE;

		if (i)
			text_add_byte(out, ' ');
		if (!envelope_fields[i].is_list) {
			imap_add_nstring(value, out);
			continue;
		}
		address_list_parse(a, value, ADDRESS_LIST_LIMIT, &list);
		/* an absent or empty Sender or Reply-To is told as From (RFC 3501, 7.4.2) */
		add_list(list.count == 0 && (i == E_SENDER || i == E_REPLY_TO) ? &from : &list,
		         out);
	}
	text_add_byte(out, ')');
}

static void
add_params(const struct mime_params *params, bool needs_charset, struct text *out)
{
	struct mime_param ignored;
	bool add_charset = needs_charset && !mime_param_find(params, "charset", &ignored);

	if (params->count == 0 && !add_charset) {
		text_add(out, SPAN("NIL"));
		return;
	}
	text_add_byte(out, '(');
	for (size_t i = 0; i < params->count; i++) {
		const struct mime_param *p = &params->at[i];

		if (i)
			text_add_byte(out, ' ');
		if (p->extended) {
			autotext struct text name = {0};

			text_add(&name, p->name);
			text_add_byte(&name, '*');
			imap_add_string(text_span(&name), out);
		} else {
			imap_add_string(p->name, out);
		}
		text_add_byte(out, ' ');
		imap_add_string(p->value, out);
	}
	if (add_charset) {
		if (params->count)
			text_add_byte(out, ' ');
		text_add(out, SPAN("\"charset\" \"us-ascii\""));
	}
	text_add_byte(out, ')');
}

static void
add_languages(struct span languages, struct text *out)
{
	struct span word;
	size_t      count = 0;

	while (count < MIME_PARAM_LIMIT && span_next(&languages, ", \t\r\n", &word)) {
		text_add_byte(out, count++ ? ' ' : '(');
		imap_add_string(word, out);
	}
	text_add(out, count ? SPAN(")") : SPAN("NIL"));
}

/* body-fld-dsp, body-fld-lang, body-fld-loc */
static void
add_extension(const struct mime_part *p, struct text *out)
{
	if (p->disposition.len) {
		text_add(out, SPAN(" ("));
		imap_add_string(p->disposition, out);
		text_add_byte(out, ' ');
		add_params(&p->disposition_params, false, out);
		text_add_byte(out, ')');
	} else {
		text_add(out, SPAN(" NIL"));
	}
	text_add_byte(out, ' ');
	add_languages(p->languages, out);
	text_add_byte(out, ' ');
	imap_add_nstring(p->location, out);
}

/* A type that promises a structure which was not found would not be understood: multipart without
 * a boundary is text, a message whose inside is beyond a bound is a lump. */
static struct span
told_type(const struct mime *m, const struct mime_part *p, struct span *subtype)
{
	*subtype = p->subtype;
	if (span_is_nocase(p->type, "multipart") && !p->is_multipart) {
		*subtype = SPAN("plain");
		return SPAN("text");
	}
	if (span_is_nocase(p->type, "message") && !p->is_message &&
	    (span_is_nocase(p->subtype, "rfc822") || (m->global && span_is_nocase(p->subtype, "global")))) {
		*subtype = SPAN("octet-stream");
		return SPAN("application");
	}
	return p->type;
}

static void
add_count(uint64_t n, struct text *out)
{
	text_add_byte(out, ' ');
	imap_add_number(n, out);
}

static void
enter_part(const struct mime *m, const struct mime_part *p, struct text *out)
{
	struct span type, subtype;
	bool        text;

	text_add_byte(out, '(');
	if (p->is_multipart) {
		if (!p->children)       /* 1*body is a must */
			text_add(out, SPAN("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
			                   "\"7bit\" 0 0)"));
		return;
	}
	type = told_type(m, p, &subtype);
	text = span_is_nocase(type, "text");
	imap_add_string(type, out);
	text_add_byte(out, ' ');
	imap_add_string(subtype, out);
	text_add_byte(out, ' ');
	add_params(&p->params, text, out);
	text_add_byte(out, ' ');
	imap_add_nstring(p->id, out);
	text_add_byte(out, ' ');
	imap_add_nstring(p->description, out);
	text_add_byte(out, ' ');
	imap_add_string(p->encoding.len ? p->encoding : SPAN("7bit"), out);
	add_count(p->body_size, out);
	if (text)
		add_count(p->body_lines, out);
	if (p->is_message) {
		text_add_byte(out, ' ');
		imap_envelope(mime_header(m, p->children), out);
		text_add_byte(out, ' ');
	}
}

static void
leave_part(const struct mime_part *p, bool extended, struct text *out)
{
	if (p->is_multipart) {
		text_add_byte(out, ' ');
		imap_add_string(p->subtype, out);
		if (extended) {
			text_add_byte(out, ' ');
			add_params(&p->params, false, out);
			add_extension(p, out);
		}
	} else {
		if (p->is_message)
			add_count(p->body_lines, out);
		if (extended) {
			text_add_byte(out, ' ');
			imap_add_nstring(p->md5, out);
			add_extension(p, out);
		}
	}
	text_add_byte(out, ')');
}

static void
add_structure(const struct mime *m, bool extended, struct text *out)
{
	const struct mime_part *p = m->root;

	for (;;) {
		enter_part(m, p, out);
		if (p->children) {
			p = p->children;
			continue;
		}
		leave_part(p, extended, out);
		while (!p->next) {
			p = p->parent;
			if (!p)
				return;
			leave_part(p, extended, out);
		}
		p = p->next;
	}
}

void
imap_body(const struct mime *m, struct text *out)
{
	add_structure(m, false, out);
}

void
imap_bodystructure(const struct mime *m, struct text *out)
{
	add_structure(m, true, out);
}
