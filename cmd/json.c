/* SPDX-License-Identifier: ISC */
/*
 * json.c - strings of JSON (RFC 8259, 7)
 */
#include "cmd/json.h"

void
json_add(struct text *out, struct span s)
{
	static const char letters[] = "\b\f\n\r\t", names[] = "bfnrt";

	text_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		const char   *letter = c ? strchr(letters, c) : NULL;

		if (c == '"' || c == '\\')
			text_add_format(out, "\\%c", c);
		else if (letter)
			text_add_format(out, "\\%c", names[letter - letters]);
		else if (c < ' ' || c == 127)
			text_add_format(out, "\\u%04x", c);
		else
			text_add_byte(out, s.at[i]);
	}
	text_add_byte(out, '"');
}
