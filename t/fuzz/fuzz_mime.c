/* SPDX-License-Identifier: ISC */
/*
 * fuzz_mime.c - parts nest, sizes add up, bounds hold; structures balance; sections stay inside
 */
#include "fuzz.h"

#include <stdio.h>

#include "mail/attachment.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/imap_body.h"
#include "mail/line.h"
#include "mail/mime.h"

/* Parentheses balance outside of strings and literals, and no line end stands outside of literals. */
static void
assert_balanced(struct span s)
{
	long depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"') {
			for (i++; s.at[i] != '"'; i++) {
				i += s.at[i] == '\\';
				assert(i + 1 < s.len);
			}
		} else if (s.at[i] == '{') {
			size_t end = i + (size_t)span_find(span_from(s, i), '}');
			uint64_t len;

			assert(span_number(span_cut(s, i + 1, end), &len) &&
			       span_starts(span_from(s, end), "}\r\n"));
			i = end + 2 + len;
			assert(i < s.len);
		} else {
			assert(s.at[i] >= ' ' && s.at[i] < 127);
			depth += s.at[i] == '(' ? 1 : s.at[i] == ')' ? -1 : 0;
			assert(depth > 0 || i + 1 == s.len);
		}
	}
	assert(depth == 0);
}

static void
try_part(struct arena *a, const struct mime *m, const struct mime_part *p)
{
	autotext struct text body = {0};
	struct span name;

	assert(p->start <= p->body && p->body <= p->end && p->end <= m->message.len);
	assert(p->depth <= MIME_DEPTH_LIMIT && p->params.count <= MIME_PARAM_LIMIT);
	assert(p->header_size == line_crlf_size(mime_header(m, p)));
	assert(p->body_size >= p->end - p->body && p->body_size <= 2 * (p->end - p->body));
	if (p->parent) {
		assert(p->start >= p->parent->body && p->end <= p->parent->end &&
		       p->depth == p->parent->depth + 1);
		assert(p->parent->is_multipart || p->parent->is_message);
	}
	if (p->next)
		assert(p->end <= p->next->start);
	if (attachment_is(SPAN("add-flags exclude-inlined content-type=!*/*x*"), p))
		assert(!p->is_multipart && p->disposition.len);
	name = mime_param_text(a, &p->params, "name");
	assert(utf8_valid(name));
	if (!p->children && p->end - p->body < 1000) {
		mime_decode_text(m, p, &body);
		assert(body.len <= 4 * (p->end - p->body) + 4);
	}
}

static void
try_section(struct arena *a, const struct mime *m, struct span section)
{
	struct imap_section s, again;
	struct imap_found   f;
	autotext struct text told = {0};

	if (imap_section_parse(a, section, &s, NULL) < 0)
		return;
	imap_section_add(&s, &told);
	assert(imap_section_parse(a, text_span(&told), &again, NULL) == 0 && again.kind == s.kind &&
	       again.depth == s.depth);
	imap_section_find(m, &s, &f);
	assert(f.offset + f.length <= m->message.len);
	assert(!f.is_text || span_ends(text_span(&f.text), "\r\n"));
	text_free(&f.text);
}

/* Whoever asks for a field that stays gets the same answer. */
static void
try_skim(struct span message)
{
	static const char *const names[] = {"From", "Subject", "Content-Type", "X"};
	autotext struct text     out = {0};
	struct header_field      a, b;

	if (message.len == 0 || !header_skim(span_first(message, header_body_offset(message, NULL)), &out))
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		bool there = header_find(message, names[i], &a);

		assert(header_find(text_span(&out), names[i], &b) == there && (!there || span_equal(a.value, b.value)));
	}
}

static void
try_message(struct arena *a, struct mime *m)
{
	static const char *const sections[] = {
		"1",        "1.2",  "2.1.MIME", "HEADER",
		"1.HEADER", "TEXT", "1.1.TEXT", "HEADER.FIELDS (Subject)"};
	autotext struct text out = {0};
	struct span          first_line, rest = m->message;
	size_t               count = 0;

	for (struct mime_part *p = m->root; p; p = mime_next(p), count++)
		try_part(a, m, p);
	assert(count == m->count && count <= MIME_PART_LIMIT);
	imap_body(m, &out);
	assert_balanced(text_span(&out));
	text_clear(&out);
	imap_bodystructure(m, &out);
	assert_balanced(text_span(&out));
	text_clear(&out);
	imap_envelope(m->message, &out);
	assert_balanced(text_span(&out));
	for (size_t i = 0; i < COUNT(sections); i++)
		try_section(a, m, span_of(sections[i]));
	if (line_next(&rest, &first_line))
		try_section(a, m, first_line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *a = arena_new();
	struct span             in = size ? span_at(data, size) : SPAN_NONE;

	try_skim(in);
	try_message(a, mime_parse(a, in));
	try_message(a, mime_parse_global(a, in));
	return 0;
}
