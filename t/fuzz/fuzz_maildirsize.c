/* SPDX-License-Identifier: ISC */
/*
 * fuzz_maildirsize.c - maildirsize, and rules of the userdb
 */
#include "../fuzz/fuzz.h"

#include "store/quota.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span           in = span_at(data, size);
	struct quota_use      use;
	struct quota         *q = NULL;
	struct quota_settings s = {.root = "maildir:x", .grace = "10%", .rule = {"", "", "", "", "", "", "", "", ""},
		.exceeded_message = "full"};
	size_t                lines;

	if (quota_parse(in, &use, &lines))
		assert(use.bytes >= 0 && use.count >= 0 && use.bytes_limit >= 0 && use.count_limit >= 0);
	if (quota_make(&s, in, &q, NULL) == 0)
		quota_ignores(q, "INBOX.Trash");
	quota_free(q);
	return 0;
}
