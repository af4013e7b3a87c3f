/* SPDX-License-Identifier: ISC */
/*
 * downgrade.c - header fields in ASCII (RFC 6857, with RFC 2047, 2231 and 6854)
 */
#include "mail/downgrade.h"

#include "base/arena.h"
#include "base/base64.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/domain.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "mail/mime.h"

/* RFC 2047, 2: a line that holds an encoded word has 76 characters at most. */
enum { LINE = 76, WORD_OVERHEAD = 12 };

/* ------------------------------------------------------------ lines */

struct writer {
	struct text *out;
	size_t       column;
};

static void
put(struct writer *w, struct span s)
{
	text_add(w->out, s);
	w->column += s.len;
}

static void
fold(struct writer *w)
{
	text_add(w->out, SPAN("\r\n "));
	w->column = 1;
}

/* A blank before what is `len` long, or a fold. */
static void
put_blank(struct writer *w, size_t len)
{
	if (w->column > 1 && w->column + 1 + len > LINE)
		fold(w);
	else
		put(w, SPAN(" "));
}

/* As many bytes of whole characters as fit. */
static size_t
whole(struct span utf8, size_t room)
{
	size_t take = 0, len;

	while (take < utf8.len) {
		len = utf8_length(span_from(utf8, take));
		if (take + (len ? len : 1) > room)
			break;
		take += len ? len : 1;
	}
	return take;
}

static void
put_encoded(struct writer *w, struct span utf8)
{
	while (utf8.len) {
		size_t room = w->column + WORD_OVERHEAD < LINE ? (LINE - WORD_OVERHEAD - w->column) / 4 * 3 : 0;
		size_t take = whole(utf8, room), at = w->out->len;

		if (take == 0 || (take < utf8.len && room < LINE / 4)) { /* no tail of a line for three bytes */
			fold(w);
			continue;
		}
		text_add(w->out, SPAN("=?utf-8?B?"));
		base64_encode(span_first(utf8, take), w->out);
		text_add(w->out, SPAN("?="));
		w->column += w->out->len - at;
		utf8 = span_from(utf8, take);
		if (utf8.len)
			fold(w);
	}
}

/* ------------------------------------------------------------ unstructured (RFC 6857, 3.2.2) */

static bool
is_encoded_word(struct span s)
{
	return s.len > 4 && span_starts(s, "=?") && span_ends(s, "?=");
}

/* What ends a word: these, and in comments and clauses (Received) marks, each a word of its own. */
#define BLANKS    " \t\r\n"
#define AND_MARKS "();"

/* Takes blanks, line ends among them, then the word behind them. The ends are looked for in one scan, that never goes
 * beyond the word: a field of marks alone is still read once. */
static void
next_word(struct span *rest, const char *ends, struct span *gap, struct span *word)
{
	size_t    blanks = 0;
	ptrdiff_t end;

	while (blanks < rest->len && rest->at[blanks] && strchr(BLANKS, rest->at[blanks]))
		blanks++;
	*gap = span_first(*rest, blanks);
	*rest = span_from(*rest, blanks);
	end = span_find_any(*rest, ends);
	*word = end < 0 ? *rest : span_first(*rest, end ? (size_t)end : 1);
	*rest = span_from(*rest, word->len);
}

/* The gap without its line ends; a stray CR alone is one, too. */
static void
add_blanks(struct span gap, struct text *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < gap.len; i++)
		if (gap.at[i] == ' ' || gap.at[i] == '\t')
			text_add_byte(out, gap.at[i]);
	if (gap.len && out->len == before)
		text_add_byte(out, ' ');
}

/* The blanks between two words, folded where they were, or where the next one (of `len` bytes) has no room. */
static void
put_gap(struct writer *w, struct span gap, size_t len)
{
	autotext struct text blanks = {0};

	add_blanks(gap, &blanks);
	if (!blanks.len)
		return;
	if (span_has(gap, '\n') || (w->column > 1 && w->column + blanks.len + len > LINE)) {
		text_add(w->out, SPAN("\r\n"));
		w->column = 0;
	}
	put(w, text_span(&blanks));
}

/* Words that are not ASCII and stand beside each other are one text, with the blanks between them; blanks beside
 * an encoded word that was there are lost when it is shown, so they become part of ours. */
static void
put_unstructured(struct writer *w, struct span value, const char *ends)
{
	struct span gap, word, last = SPAN_NONE;

	while (value.len) {
		autotext struct text run = {0};

		next_word(&value, ends, &gap, &word);
		if (span_is_ascii(word)) {
			put_gap(w, gap, word.len);
			put(w, word);
			last = word;
			continue;
		}
		put_gap(w, gap, LINE / 2);
		if (gap.len && is_encoded_word(last))
			add_blanks(gap, &run);
		text_add(&run, word);
		for (struct span ahead = value; ahead.len; value = ahead) {
			next_word(&ahead, ends, &gap, &word);
			if (span_is_ascii(word)) {
				if (gap.len && is_encoded_word(word))
					add_blanks(gap, &run);
				break;
			}
			add_blanks(gap, &run);
			text_add(&run, word);
		}
		put_encoded(w, text_span(&run));
		last = SPAN_NONE;
	}
}

/* ------------------------------------------------------------ addresses (3.2.1, 3.2.6, 3.2.7) */

static void
put_phrase(struct writer *w, struct span name)
{
	autotext struct text utf8 = {0}, phrase = {0};

	encoded_word_decode(name, &utf8);
	if (!span_is_ascii(text_span(&utf8))) {
		put_encoded(w, text_span(&utf8));
		return;
	}
	header_quote_phrase(text_span(&utf8), &phrase);
	put(w, text_span(&phrase));
}

/* False: there is no such form. */
static bool
ascii_address(struct arena *a, const struct mailbox *m, struct text *out)
{
	struct mailbox ascii = *m;
	struct fault   ignored = {0};

	if (!span_is_ascii(m->local) || (!span_is_ascii(m->domain) && domain_to_ascii(a, m->domain, &ascii.domain, &ignored) < 0))
		return false;
	address_external(mailbox_address(a, &ascii), out);
	return true;
}

static void
put_mailbox(struct writer *w, const struct mailbox *m, struct span address)
{
	if (!m->name.len) {
		put_blank(w, address.len);
		put(w, address);
		return;
	}
	put_blank(w, LINE / 2);
	put_phrase(w, m->name);
	put_blank(w, address.len + 2);
	put(w, SPAN("<"));
	put(w, address);
	put(w, SPAN(">"));
}

/* 3.2.7: "name address" as the name of a group that nobody is in. */
static void
put_empty_group(struct arena *a, struct writer *w, const struct mailbox *m)
{
	autotext struct text name = {0}, address = {0};

	encoded_word_decode(m->name, &name);
	if (name.len)
		text_add_byte(&name, ' ');
	address_external(mailbox_address(a, m), &address);
	text_add(&name, text_span(&address));
	put_blank(w, LINE / 2);
	put_encoded(w, text_span(&name));
	put(w, SPAN(" :;"));
}

/* Groups do not nest: those without a form stand behind the group that they were in. */
static bool
put_addresses(struct arena *a, struct writer *w, struct span value)
{
	struct address_list list = {0};
	size_t              first_left = 0;
	bool                inside = false, comma = false;

	address_list_parse(a, value, ADDRESS_LIST_LIMIT, &list);
	if (list.cut || list.faulty || !list.count)
		return false;
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox *m = &list.at[i];
		autotext struct text  address = {0};

		if (m->kind == GROUP_END) {
			put(w, SPAN(";"));
			inside = false;
			comma = true;
			for (size_t k = first_left; k < i; k++) {
				text_clear(&address);
				if (list.at[k].kind == MAILBOX && !ascii_address(a, &list.at[k], &address)) {
					put(w, SPAN(","));
					put_empty_group(a, w, &list.at[k]);
				}
			}
			continue;
		}
		if (m->kind == MAILBOX && !ascii_address(a, m, &address)) {
			if (inside)
				continue;
			put(w, comma ? SPAN(",") : SPAN(""));
			put_empty_group(a, w, m);
			comma = true;
			continue;
		}
		put(w, comma ? SPAN(",") : SPAN(""));
		if (m->kind == GROUP_START) {
			put_blank(w, LINE / 2);
			put_phrase(w, m->name);
			put(w, SPAN(":"));
			inside = true;
			first_left = i + 1;
		} else {
			put_mailbox(w, m, text_span(&address));
		}
		comma = m->kind == MAILBOX;
	}
	return !inside;
}

/* ------------------------------------------------------------ parameters (3.2.5; RFC 2231, 3 and 4) */

/* `own`: marks of the value itself, besides those that need no percent. */
static void
percent(struct span value, const char *own, struct text *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '_' || (c && strchr(own, c)))
			text_add_byte(out, c);
		else
			text_add_format(out, "%%%02X", (unsigned char)c);
	}
}

static void
put_piece(struct writer *w, struct span name, const char *mark, struct span value)
{
	put(w, SPAN(";"));
	put_blank(w, name.len + strlen(mark) + 1 + value.len);
	put(w, name);
	put(w, span_of(mark));
	put(w, SPAN("="));
	put(w, value);
}

/* Every piece says the name again, so the name is short (put_parameters). */
static void
put_extended(struct writer *w, struct span name, struct span value)
{
	enum { PIECE = 48 };

	if (name.len + 4 + value.len <= LINE) {
		put_piece(w, name, "*", value);
		return;
	}
	for (int i = 0; value.len; i++) {
		size_t               take = value.len < PIECE ? value.len : PIECE;
		autotext struct text mark = {0};

		for (size_t k = 1; k <= 2 && take < value.len; k++) /* "%41" stays whole */
			if (value.at[take - k] == '%') {
				take -= k;
				break;
			}
		text_add_format(&mark, "*%d*", i);
		put_piece(w, name, text_string(&mark), span_first(value, take));
		value = span_from(value, take);
	}
}

static void
put_parameter(struct writer *w, const struct mime_param *p)
{
	autotext struct text value = {0};

	if (p->extended) {
		percent(p->value, "%'", &value); /* it may have stood in quotes, which it loses */
		put_extended(w, p->name, text_span(&value));
	} else if (!span_is_ascii(p->value)) {
		text_add(&value, SPAN("utf-8''"));
		percent(p->value, "", &value);
		put_extended(w, p->name, text_span(&value));
	} else {
		text_add_byte(&value, '"');
		for (size_t i = 0; i < p->value.len; i++) {
			if (p->value.at[i] == '"' || p->value.at[i] == '\\')
				text_add_byte(&value, '\\');
			text_add_byte(&value, p->value.at[i]);
		}
		text_add_byte(&value, '"');
		put_piece(w, p->name, "", text_span(&value));
	}
}

/* RFC 2045 bounds no name; longer ones nobody means. */
enum { PARAMETER_NAME_MOST = 60 };

static bool
put_parameters(struct arena *a, struct writer *w, struct span name, struct span value)
{
	struct span        type = SPAN_NONE, subtype = SPAN_NONE;
	struct mime_params params = {0};

	if (span_is_nocase(name, "Content-Type"))
		mime_parse_content_type(a, header_unfolded(a, value), &type, &subtype, &params);
	else
		mime_parse_disposition(a, header_unfolded(a, value), &type, &params);
	if (!type.len || params.count == MIME_PARAM_LIMIT)
		return false;
	for (size_t i = 0; i < params.count; i++)
		if (params.at[i].name.len > PARAMETER_NAME_MOST)
			return false;
	put(w, SPAN(" "));
	put(w, type);
	if (subtype.len)
		put(w, SPAN("/"));
	put(w, subtype);
	for (size_t i = 0; i < params.count; i++)
		put_parameter(w, &params.at[i]);
	return true;
}

/* ------------------------------------------------------------ Received (3.2.1) */

static bool
put_received(struct arena *a, struct writer *w, struct span value)
{
	autotext struct text kept = {0};
	struct span          gap, word, rest = header_unfolded(a, value);

	while (rest.len) {
		next_word(&rest, BLANKS AND_MARKS, &gap, &word);
		if (span_is_nocase(word, "for")) {
			struct span behind = rest, blanks, address;

			next_word(&behind, BLANKS AND_MARKS, &blanks, &address);
			if (!span_is_ascii(address)) {
				rest = behind;
				continue;
			}
		}
		text_add(&kept, gap);
		text_add(&kept, word);
	}
	put(w, SPAN(" "));
	put_unstructured(w, text_span(&kept), BLANKS AND_MARKS);
	return true;
}

/* ------------------------------------------------------------ a field */

/* There is no ASCII form that means the same. */
static bool
has_no_form(struct span name)
{
	static const char *const names[] = {"Message-ID", "Resent-Message-ID", "In-Reply-To", "References", "Content-ID",
	                                    "Return-Path", "Original-Recipient", "Final-Recipient"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

static bool
put_structured(struct writer *w, struct span name, struct span value)
{
	autoarena struct arena *a = arena_new();

	if (span_is_nocase(name, "Content-Type") || span_is_nocase(name, "Content-Disposition"))
		return put_parameters(a, w, name, value);
	if (span_is_nocase(name, "Received"))
		return put_received(a, w, value);
	return header_flags(name) & HEADER_ADDRESSES && put_addresses(a, w, value);
}

bool
downgrade_field(struct span field, struct text *out)
{
	autotext struct text made = {0};
	struct writer        w = {.out = &made};
	struct header_field  f;
	size_t               at = 0;

	if (span_is_ascii(field) || !utf8_valid(field) || !header_next(field, &at, &f) || !f.name.len) {
		text_add(out, field);
		text_add(out, SPAN("\r\n"));
		return false;
	}
	if (has_no_form(f.name))
		put(&w, SPAN("Downgraded-"));
	put(&w, f.name);
	put(&w, SPAN(":"));
	/* what cannot be understood is text; so is what would grow beyond measure (names in a charset of ligatures) */
	if (has_no_form(f.name) || !put_structured(&w, f.name, f.value) || !span_is_ascii(text_span(&made))
		|| made.len + 2 > DOWNGRADE_TIMES * field.len + DOWNGRADE_MORE) {
		w.column = (has_no_form(f.name) ? strlen("Downgraded-") : 0) + f.name.len + 1;
		text_cut(&made, w.column);
		put(&w, SPAN(" "));
		put_unstructured(&w, f.value, BLANKS);
	}
	text_add(out, text_span(&made));
	text_add(out, SPAN("\r\n"));
	return true;
}

static void
rewrite(void *context, enum mime_place place, struct span field, struct text *out)
{
	bool *changed = context;

	(void)place;
	if (downgrade_field(field, out))
		*changed = true;
}

struct mime_stream *
downgrade_start(bool *changed)
{
	struct mime_stream_settings set = {.header_limit = DOWNGRADE_FIELD_MOST, .context = changed, .field = rewrite};

	return mime_stream_start(&set);
}
