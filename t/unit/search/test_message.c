/* SPDX-License-Identifier: ISC */
/*
 * test_message.c - what is found in a message, and where (RFC 3501, 6.4.4; RFC 9051, 6.4.4)
 */
#include "search/message.h"
#include "../unit.h"
#include "base/file.h"
#include "mail/header.h"
#include "search/markup.h"
#include "search/office.h"

static const struct { const char *in, *out; } markups[] = {
	{"", ""}, {"plain  text\r\n here", "plain text here"},
	{"Hel<b>lo</b> world", "Hello world"}, {"<p>one</p><p>two</p>", "one\ntwo"}, {"a<br/>b<BR>c", "a\nb\nc"},
	{"<td>a</td><td>b</td>", "a\nb"}, {"a<script>var x = '<p>';</script>b", "ab"}, {"<style>p {}</style>x", "x"},
	{"a<!-- <p>not</p> -->b", "ab"}, {"a < b > c", "a < b > c"}, {"<a href=\"x>y\">z</a>", "z"},
	{"gr&uuml;&szlig;e &amp; &lt;x&gt;", "gr\xc3\xbc\xc3\x9f""e & <x>"}, {"&#252;&#xFC;&#8364;", "\xc3\xbc\xc3\xbc\xe2\x82\xac"},
	{"&#128;", "\xe2\x82\xac"}, {"&nosuch; &; &#; &#x; &#xd800;", "&nosuch; &; &#; &#x; \xef\xbf\xbd"},
	{"a&nbsp;&nbsp;b", "a b"}, {"hy&shy;phen", "hyphen"}, {"open <b", "open"}, {"<!DOCTYPE html><?xml version='1.0'?>x", "x"},
	{"<w:p><w:r><w:t>Quarter</w:t></w:r><w:r><w:t>ly</w:t></w:r></w:p><w:p>x</w:p>", "Quarterly\nx"},
	{"<text:p>a<text:s/>b<text:tab/>c</text:p>", "a b\nc"}, {"<script>never closed", ""},
};

UNIT_TEST(words_of_markup)
{
	for (size_t i = 0; i < COUNT(markups); i++) {
		autotext struct text out = {0};

		markup_text(span_of(markups[i].in), &out);
		ck_assert_msg(span_is(text_span(&out), markups[i].out), "%s: %s", markups[i].in, text_string(&out));
	}
}

struct asked { unsigned zones; const char *field, *text; bool found; };

static bool
look(void *context, const struct search_piece *p)
{
	struct asked *a = context;
	struct span   text = p->text;

	if (!(p->zone & a->zones) || (a->field && !span_is_nocase(p->name, a->field)))
		return true;
	if (a->field)
		text = span_from(text, p->value);
	a->found = span_find_text(text, span_of(a->text)) >= 0;
	return !a->found;
}

static bool
finds(struct span message, unsigned zones, const char *field, const char *text)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    folded = {0};
	struct asked            a = {zones, field, NULL, false};
	struct search_visitor   v = {.visit = look, .context = &a};

	search_string(span_of(text), &folded);
	a.text = text_string(&folded);
	if (zones & ZONE_FIELDS)
		search_header(span_first(message, header_body_offset(message, NULL)), &v);
	if (!a.found)
		search_body(mime_parse(arena, message), zones, &v);
	return a.found;
}

static const char mail[] =
	"From: =?iso-8859-1?q?J=FCrgen?= <j@example.net>\n"
	"Subject: =?utf-8?b?R3LDvMOf?=\n =?utf-8?q?e?= and\n more\n"
	"X-Odd : value\n"
	"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\npreamble\n"
	"--b\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\n\n\xf0\xd2\xc9\xd7\xc5\xd4\n"
	"--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nsoft=\nly br=C3=B6ken\nline two\n"
	"--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGEgaHJlZj0iaHR0cDovL3guZXhhbXBsZS8iPkNsPGI+aWNrPC9iPjwvYT4NCmhlcmU=\n"
	"--b\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: inside@example.org\n\ninner body\n"
	"--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; gone@example.com\n"
	"--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename*=utf-8''%C3%84pfel.pdf\n"
	"Content-Transfer-Encoding: base64\n\nc2VjcmV0\n"
	"--b\nContent-Type: image/svg+xml\n\nsvgtext\n--b\nContent-Type: application/xml\n\n<tag>xmltext</tag>\n--b--\nepilogue\n";

static const struct { unsigned zones; const char *field, *text; bool found; } rows[] = {
	{ZONE_TEXT, NULL, "gr\xc3\xbc\xc3\x9f""e and more", true}, {ZONE_SUBJECT, "subject", "GR\xc3\x9c\xc3\x9f""E", true},
	{ZONE_SUBJECT, "subject", "Subject", false}, {ZONE_TEXT, NULL, "subject: gr\xc3\xbc", true},
	{ZONE_BODY, NULL, "gr\xc3\xbc", false}, {ZONE_FROM, "from", "j\xc3\xbcrgen <j@", true}, {ZONE_TO, "to", "j@", false},
	{ZONE_HEADER, "x-odd", "VALUE", true}, {ZONE_HEADER, "x-odd", "", true}, {ZONE_HEADER, "x-other", "", false},
	{ZONE_BODY, NULL, "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", true},             /* koi8-r, another case */
	{ZONE_BODY, NULL, "softly br\xc3\x96ken\nline", true}, {ZONE_BODY, NULL, "br\xc3\xb6ken\r\nline", true},
	{ZONE_BODY, NULL, "http://x.example/", true}, {ZONE_BODY, NULL, "click", true}, {ZONE_BODY, NULL, "click here", true},
	{ZONE_BODY, NULL, "inner body", true}, {ZONE_BODY, NULL, "subject: inner", true}, {ZONE_SUBJECT, "subject", "inner", false},
	{ZONE_BODY, NULL, "gone@example.com", true}, {ZONE_BODY, NULL, "secret", false}, {ZONE_TEXT, NULL, "\xc3\xa4pfel.pdf", true},
	{ZONE_BODY, NULL, "\xc3\xa4pfel.pdf", false}, {ZONE_TEXT, NULL, "content-type: message/rfc822", true},
	{ZONE_BODY, NULL, "content-type: message/rfc822", false}, {ZONE_TEXT, NULL, "preamble", false}, {ZONE_TEXT, NULL, "epilogue", false},
	{ZONE_BODY, NULL, "svgtext", false}, {ZONE_BODY, NULL, "xmltext", true}, {ZONE_BODY, NULL, "nowhere", false},
};

UNIT_TEST(pieces)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(finds(span_of(mail), rows[i].zones, rows[i].field, rows[i].text) == rows[i].found, "row %zu: %s", i, rows[i].text);
}

static struct text *
seed(const char *name)
{
	static struct text bytes;
	const char        *top = getenv("top_srcdir");
	autofree char     *path = mem_format("%s/t/fuzz/corpus/office/%s", top ? top : ".", name);

	text_clear(&bytes);
	ck_assert_msg(file_read(path, 1 << 20, &bytes, NULL) == 0, "%s", path);
	return &bytes;
}

UNIT_TEST(office_documents)
{
	static const struct { const char *file, *words; } files[] = {
		{"docx", "Quarterly report\nPlan & budget"}, {"odt", "Heading\ngr\xc3\xbc\xc3\x9f""e dich"},
	};

	for (size_t i = 0; i < COUNT(files); i++) {
		struct text         *in = seed(files[i].file);
		autotext struct text out = {0};
		size_t               budget = 1 << 20, none = 0;

		office_text(text_span(in), &budget, &out);
		ck_assert_msg(span_is(text_span(&out), files[i].words), "%s: %s", files[i].file, text_string(&out));
		ck_assert(budget < 1 << 20);
		text_clear(&out);
		office_text(text_span(in), &none, &out);
		ck_assert(out.len == 0);
		for (size_t cut = 0; cut < in->len; cut++) { /* cut short: nothing, or a part */
			text_clear(&out);
			office_text(span_first(text_span(in), cut), &budget, &out);
		}
	}
	ck_assert(finds(text_span(seed("mail")), ZONE_BODY, NULL, "quarterly report"));
	ck_assert(finds(text_span(seed("mail")), ZONE_TEXT, NULL, "\xc3\xa4.docx"));
}
END_TEST

static void
add_number(size_t n, size_t bytes, struct text *out)
{
	for (size_t i = 0; i < bytes; i++, n >>= 8)
		text_add_byte(out, (char)n);
}

/* `members` times the same member, of deflated blocks that hold nothing. */
static void
make_archive_of_nothing(size_t members, size_t blocks, struct text *zip)
{
	static const char name[] = "content.xml";
	size_t            packed = blocks * 5, start;

	text_add(zip, span_at("PK\3\4\24\0\0\0\10\0\0\0\0\0\0\0\0\0", 18));
	add_number(packed, 4, zip);
	add_number(packed, 4, zip);
	add_number(sizeof name - 1, 4, zip);
	text_add_string(zip, name);
	for (size_t i = 0; i < blocks; i++)
		text_add(zip, span_at("\0\0\0\377\377", 5));
	start = zip->len;
	for (size_t i = 0; i < members; i++) {
		text_add(zip, span_at("PK\1\2\24\0\24\0\0\0\10\0\0\0\0\0\0\0\0\0", 20));
		add_number(packed, 4, zip);
		add_number(packed, 4, zip);
		add_number(sizeof name - 1, 2, zip);
		add_number(0, 16, zip);
		text_add_string(zip, name);
	}
	text_add(zip, span_at("PK\5\6\0\0\0\0", 8));
	add_number(members, 2, zip);
	add_number(members, 2, zip);
	add_number(members * (46 + sizeof name - 1), 4, zip);
	add_number(start, 4, zip);
	add_number(0, 2, zip);
}

/* What takes time is paid for, also where no byte comes out. */
UNIT_TEST(an_archive_of_nothing)
{
	autotext struct text zip = {0}, out = {0};
	size_t               budget = SEARCH_UNPACKED_MOST;

	make_archive_of_nothing(OFFICE_ENTRIES_MOST, 100000, &zip);
	office_text(text_span(&zip), &budget, &out);
	ck_assert_uint_eq(budget, SEARCH_UNPACKED_MOST - OFFICE_UNPACKED_MOST);
}

UNIT_MAIN("search/message", words_of_markup, pieces, office_documents, an_archive_of_nothing)
