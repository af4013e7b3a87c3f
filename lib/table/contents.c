/* SPDX-License-Identifier: ISC */
/*
 * contents.c - values that name files, and stand for what is in them (postmap -F)
 */
#include "table/contents.h"

#include "base/base64.h"
#include "base/file.h"
#include "table/table.h"

int
contents_read(struct span names, struct text *out, struct fault *why)
{
	struct span word;
	bool        first = true;

	while (span_next(&names, ", \t\r\n", &word)) {
		autofree char *path = mem_span(word);

		if (!first)
			text_add_byte(out, '\n');
		first = false;
		if (file_read(path, TABLE_VALUE_MAX, out, why) < 0)
			return -1;
	}
	return first ? fault_set(why, FAULT_INPUT, "no file is named") : 0;
}

int
contents_encode(struct span names, struct text *out, struct fault *why)
{
	autotext struct text whole = {0};

	if (contents_read(names, &whole, why) < 0)
		return -1;
	base64_encode(text_span(&whole), out);
	mem_wipe(whole.at, whole.len);       /* keys, most of the time */
	return 0;
}
