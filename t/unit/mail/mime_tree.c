/* SPDX-License-Identifier: ISC */
/*
 * mime_tree.c - prints what lib/mail makes of a file, for test_mime_python.py
 *
 *   mime_tree FILE...    of each message: "= FILE", then a line for each part: depth, type/subtype, charset,
 *                        and the CRC of the decoded body (LF, blanks around it off); then Subject and addresses
 */
#include <stdio.h>

#include "base/file.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "mail/line.h"
#include "mail/mime.h"

static uint32_t
crc32_of(struct span s)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (unsigned char)s.at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* As Python's bytes.strip() has it. */
static struct span
stripped(struct span s)
{
	while (s.len && strchr(" \t\r\n\v\f", s.at[0] ? s.at[0] : 'x'))
		s = span_from(s, 1);
	while (s.len && strchr(" \t\r\n\v\f", s.at[s.len - 1] ? s.at[s.len - 1] : 'x'))
		s.len--;
	return s;
}

static void
print_part(struct arena *a, const struct mime *m, const struct mime_part *p)
{
	autotext struct text body = {0}, type = {0};

	text_add_format(&type, "%.*s/%.*s", SPAN_ARGS(p->type), SPAN_ARGS(p->subtype));
	text_lower(&type);
	printf("part %u %s", p->depth, text_string(&type));
	printf(" charset=%.*s", SPAN_ARGS(mime_param_text(a, &p->params, "charset")));
	if (!p->is_multipart && !p->is_message) {
		struct line_unix     u;
		autotext struct text plain = {0};

		mime_decode_body(m, p, &body);
		line_unix_start(&u, false);
		line_unix_feed(&u, text_span(&body), &plain);
		line_unix_end(&u, false, &plain);
		printf(" crc=%08x", crc32_of(stripped(text_span(&plain))));
	}
	printf("\n");
}

static void
print_field(struct arena *a, struct span message, const char *name)
{
	struct header_field  f;
	autotext struct text text = {0};
	struct address_list  list;

	if (!header_find(message, name, &f))
		return;
	if (header_flags(f.name) & HEADER_ADDRESSES) {
		address_list_parse(a, f.value, ADDRESS_LIST_LIMIT, &list);
		for (size_t i = 0; i < list.count; i++)
			if (list.at[i].kind == MAILBOX)
				printf("%s %.*s%s\n", name,
				       SPAN_ARGS(mailbox_address(a, &list.at[i])),
				       list.faulty ? " !" : "");
		return;
	}
	encoded_word_decode(header_unfolded(a, f.value), &text);
	printf("%s %s\n", name, text_string(&text));
}

static int
print_message(const char *path)
{
	autoarena struct arena *a = arena_new();
	autotext struct text    message = {0};
	struct fault            why = {0};
	struct mime            *m;

	if (file_read(path, 100 << 20, &message, &why) < 0) {
		fprintf(stderr, "%s\n", fault_text(&why));
		return -1;
	}
	printf("= %s\n", path);
	m = mime_parse(a, text_span(&message));
	for (struct mime_part *p = m->root; p; p = mime_next(p))
		print_part(a, m, p);
	print_field(a, text_span(&message), "Subject");
	print_field(a, text_span(&message), "From");
	print_field(a, text_span(&message), "To");
	print_field(a, text_span(&message), "Cc");
	return 0;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (print_message(argv[i]) < 0)
			return 1;
	return 0;
}
