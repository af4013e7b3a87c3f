/* SPDX-License-Identifier: ISC */
/* fuzz_merge.c - the list of what two Maildirs had in common: total, and no line goes beyond the text */
#include <assert.h>

#include "fuzz.h"
#include "store/merge.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span       text = span_at(data, size), rest = text;
	struct merge_line line;
	size_t            lines = 0;

	while (merge_line_next(&rest, &line)) {
		assert(line.flags <= MERGE_FLAGS_MOST);
		assert(line.name.len == 0 || (line.name.at >= text.at && line.name.at + line.name.len <= text.at + text.len));
		assert(line.kind != '.' || line.name.len > 0);
		assert(++lines <= size);
	}
	return 0;
}
