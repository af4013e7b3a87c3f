/* SPDX-License-Identifier: ISC */
/*
 * header_write.c - header fields that nobody can inject into (SECURITY.md 2, 12)
 */

#include "mail/charset.h"
#include "mail/encoded_word.h"
#include "mail/header.h"

#define FOLD_COLUMN 78       /* RFC 5322, 2.1.1 */

static int
check_name(const char *name, struct fault *why)
{
	autotext struct text line = {0};

	text_add_string(&line, name);
	text_add_byte(&line, ':');
	if (!header_line_is_field(text_span(&line)) || span_find_any(span_of(name), " \t:") >= 0)
		return fault_set(why, FAULT_INPUT, "\"%s\" is no header name", name);
	return 0;
}

static int
check_value(struct span value, struct fault *why)
{
	if (span_has(value, '\r') || span_has(value, '\n') || span_has(value, '\0'))
		return fault_set(why, FAULT_INPUT, "CR, LF or NUL in a header value");
	return 0;
}

int
header_add(struct text *out, const char *name, struct span value, struct fault *why)
{
	if (check_name(name, why) < 0 || check_value(value, why) < 0)
		return -1;
	text_add_string(out, name);
	text_add(out, SPAN(": "));
	text_add(out, value);
	text_add(out, SPAN("\r\n"));
	return 0;
}

int
header_add_folded(struct text *out, const char *name, struct span value, struct fault *why)
{
	size_t column = strlen(name) + 1;

	if (check_name(name, why) < 0 || check_value(value, why) < 0)
		return -1;
	text_add_string(out, name);
	text_add_byte(out, ':');
	value = span_trim(value);
	if (value.len == 0)
		text_add_byte(out, ' ');
	while (value.len) {
		size_t blanks = 0, word;

		while (blanks < value.len && (value.at[blanks] == ' ' || value.at[blanks] == '\t'))
			blanks++;
		for (word = blanks;
		     word < value.len && value.at[word] != ' ' && value.at[word] != '\t'; word++)
			;
		if (blanks == 0) {             /* the blank behind ":" */
			text_add_byte(out, ' ');
			column++;
		} else if (column + word > FOLD_COLUMN) {
			text_add(out, SPAN("\r\n"));
			column = 0;
		}
		text_add(out, span_first(value, word));
		column += word;
		value = span_from(value, word);
	}
	text_add(out, SPAN("\r\n"));
	return 0;
}

int
header_add_raw(struct text *out, const char *name, struct span value, struct fault *why)
{
	struct span rest = value, line;
	bool        more = true;

	if (check_name(name, why) < 0)
		return -1;
	for (bool first = true; more; first = false) {
		more = span_split(&rest, '\n', &line);
		if (more && line.len && line.at[line.len - 1] == '\r')
			line.len--;
		if (check_value(line, why) < 0)
			return -1;
		if (!first && (line.len == 0 || (line.at[0] != ' ' && line.at[0] != '\t')))
			return fault_set(why, FAULT_INPUT,
			                 "a fold without a blank in a header value");
	}
	text_add_string(out, name);
	text_add(out,
	         value.len && (value.at[0] == ' ' || value.at[0] == '\t') ? SPAN(":") : SPAN(": "));
	for (rest = value, more = true; more;) {
		more = span_split(&rest, '\n', &line);
		if (more && line.len && line.at[line.len - 1] == '\r')
			line.len--;
		text_add(out, line);
		text_add(out, SPAN("\r\n"));
	}
	return 0;
}

int
header_add_format(struct text *out, const char *name, struct fault *why, const char *format, ...)
{
	autotext struct text value = {0};
	va_list args;

	va_start(args, format);
	text_add_args(&value, format, args);
	va_end(args);
	return header_add(out, name, text_span(&value), why);
}

/* Is it a run of atoms (RFC 5322, 3.2.5), which needs no quotes? */
static bool
is_phrase(struct span s)
{
	if (s.len == 0 || s.at[0] == ' ' || s.at[s.len - 1] == ' ' ||
	    span_find_text(s, SPAN("=?")) >= 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alpha(s.at[i]) && !ascii_digit(s.at[i]) &&
		    (s.at[i] == '\0' || !strchr(" !#$%&'*+-/=?^_`{|}~", s.at[i])))
			return false;
	return true;
}

static void
quote_string(struct span s, struct text *out)
{
	text_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_add_byte(out, '\\');
		text_add_byte(out, (unsigned char)s.at[i] < 32 || s.at[i] == 127 ? ' ' : s.at[i]);
	}
	text_add_byte(out, '"');
}

void
header_quote_phrase(struct span s, struct text *out)
{
	if (!span_is_ascii(s))
		encoded_word_encode(s, out);
	else if (is_phrase(s))
		text_add(out, s);
	else
		quote_string(s, out);
}

/* A name as the list parser gave it: encoded words in it must stay unquoted to mean something. */
static void
add_parsed_name(struct span name, struct text *out)
{
	if (span_starts(name, "=?") && span_ends(name, "?=") &&
	    span_find_any(name, "\"\\,<>()@;:[]") < 0)
		text_add(out, name);
	else if (is_phrase(name))
		text_add(out, name);
	else
		quote_string(name, out);
}

static void
add_addr_spec(const struct mailbox *m, struct text *out)
{
	address_quote_local(m->local, out);
	if (m->domain.len) {
		text_add_byte(out, '@');
		text_add(out, m->domain);
	}
}

static void
add_member(const struct mailbox *m, struct text *out)
{
	if (m->kind == GROUP_START) {
		add_parsed_name(m->name, out);
		text_add_byte(out, ':');
	} else if (m->kind == GROUP_END) {
		text_add_byte(out, ';');
	} else if (m->has_name_phrase) {
		add_parsed_name(m->name, out);
		text_add_string(out, " <");
		add_addr_spec(m, out);
		text_add_byte(out, '>');
	} else {
		add_addr_spec(m, out);
		if (m->name.len) {
			text_add_string(out, " (");
			for (size_t i = 0; i < m->name.len; i++) {
				if (strchr("()\\", m->name.at[i] ? m->name.at[i] : ' '))
					text_add_byte(out, '\\');
				text_add_byte(out, m->name.at[i]);
			}
			text_add_byte(out, ')');
		}
	}
}

int
header_add_list(struct text *out, const char *name, const struct address_list *list,
                struct fault *why)
{
	autotext struct text value = {0};

	for (size_t i = 0; i < list->count; i++) {
		const struct mailbox *m = &list->at[i], *next = i + 1 < list->count ? m + 1 : NULL;

		add_member(m, &value);
		if (!next)
			break;
		if (next->kind != GROUP_END && m->kind != GROUP_START)
			text_add_byte(&value, ',');
		if (next->kind != GROUP_END)
			text_add(&value, SPAN("\r\n\t"));
	}
	return header_add_raw(out, name, text_span(&value), why);
}
