/* SPDX-License-Identifier: ISC */
/*
 * fuzz_submit_edit.c - any bytes, as edits of a milter: refused, or walked within their bounds
 */
#include "fuzz.h"
#include "ipc/submit.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span        rest = span_at(data, size);
	struct submit_edit e;
	size_t             before;

	do {
		before = rest.len;
		if (submit_edit_next(&rest, &e, NULL) <= 0)
			break;
		assert(rest.len < before && e.name.len + e.value.len <= before);
		assert(e.op != 'B' || (e.number >= 0 && e.length >= 0));
		assert(e.number >= -1);
	} while (true);
	return 0;
}
